@echo off
rem Write the masks of a faceset's faces as pictures beside it. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" export-mask src --ask %*
