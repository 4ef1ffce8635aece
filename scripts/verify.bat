@echo off
rem Tell how a file is marked as made, and whether the marks are whole. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" verify --ask %*
