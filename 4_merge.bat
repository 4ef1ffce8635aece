@echo off
rem Step 4: merge. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0_internal\run.bat" step 4_merge --ask %*
