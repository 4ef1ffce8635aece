@echo off
rem Cut a part out of a video, as a file beside it. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" cut-video --ask %*
