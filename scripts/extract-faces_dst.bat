@echo off
rem Find the faces in the frames and cut them out, aligned. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" extract-faces dst --ask %*
