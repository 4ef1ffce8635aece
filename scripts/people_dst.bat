@echo off
rem Tell who is in a faceset, and keep the faces of some only. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" people dst --ask %*
