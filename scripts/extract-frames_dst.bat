@echo off
rem Take the frames of a clip out as pictures. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" extract-frames dst --ask %*
