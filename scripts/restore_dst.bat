@echo off
rem Put faces back that were moved to a faceset's trash. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" restore dst --ask %*
