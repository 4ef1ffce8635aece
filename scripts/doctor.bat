@echo off
rem Tell what this machine has, what is wrong and how to mend it. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" doctor --ask %*
