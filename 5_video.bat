@echo off
rem Step 5: make-video. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0_internal\run.bat" step 5_video --ask %*
