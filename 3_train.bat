@echo off
rem Step 3: train. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0_internal\run.bat" step 3_train --ask %*
