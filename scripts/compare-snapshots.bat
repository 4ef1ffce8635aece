@echo off
rem Compare a model's backups and its newest state on the same faces. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" compare-snapshots --ask %*
