@echo off
rem Delete frames, faces and models of the workspace; videos stay. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" clear-workspace --ask %*
