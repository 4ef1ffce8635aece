@echo off
rem Draw the landmarks on the faces of a faceset, in pictures beside it. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" debug-landmarks src --ask %*
