@echo off
rem Tell what facesets have and lack: directions, people, doubtful faces; writes a page for the browser. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" inspect --ask %*
