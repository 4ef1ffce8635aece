@echo off
rem Step 2: extract-frames dst, then extract-faces dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0_internal\run.bat" step 2_extract_dst --ask %*
