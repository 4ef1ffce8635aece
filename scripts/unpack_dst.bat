@echo off
rem Take the pictures out of a faceset.pak again. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" unpack dst --ask %*
