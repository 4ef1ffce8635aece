@echo off
rem Put the trained face into every frame of data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" merge --ask %*
