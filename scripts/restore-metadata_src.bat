@echo off
rem Give edited pictures their face data back. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" restore-metadata src --ask %*
