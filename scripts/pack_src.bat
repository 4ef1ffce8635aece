@echo off
rem Put a faceset into one file, faceset.pak. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" pack src --ask %*
