@echo off
rem Give a faceset's pictures more detail, with the original's network. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" enhance src --ask %*
