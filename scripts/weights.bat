@echo off
rem Get the landmark network's file from a pinned package, or from a folder. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" weights --ask %*
