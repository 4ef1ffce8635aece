@echo off
rem Give edited pictures their face data back. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" restore-metadata dst --ask %*
