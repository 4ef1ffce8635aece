@echo off
rem Step 1: extract-frames src, then extract-faces src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0_internal\run.bat" step 1_extract_src --ask %*
