@echo off
rem List saved models and their backups; rename or delete a model, or put a backup back. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" models --ask %*
