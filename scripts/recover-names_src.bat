@echo off
rem Give faces the names of their frames again, as after extraction. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" recover-names src --ask %*
