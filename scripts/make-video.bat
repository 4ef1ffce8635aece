@echo off
rem Make result and result_mask from the merged frames, with data_dst's times and sound. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" make-video --ask %*
