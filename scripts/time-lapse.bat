@echo off
rem Make a video of a model's preview history. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" time-lapse --ask %*
