@echo off
rem Save the face data of a faceset before its pictures are edited. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" save-metadata src --ask %*
