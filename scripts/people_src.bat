@echo off
rem Tell who is in a faceset, and keep the faces of some only. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" people src --ask %*
