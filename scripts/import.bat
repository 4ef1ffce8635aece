@echo off
rem Take over a model or the face networks of the original program. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" import --ask %*
