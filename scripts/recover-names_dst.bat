@echo off
rem Give faces the names of their frames again, as after extraction. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" recover-names dst --ask %*
