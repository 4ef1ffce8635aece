@echo off
rem Take the noise out of a side's frames. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" denoise-frames src --ask %*
