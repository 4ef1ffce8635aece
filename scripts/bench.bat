@echo off
rem Measure the speed of the stages on this machine. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" bench --ask %*
