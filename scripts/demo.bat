@echo off
rem Make two short clips and go the whole road once. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" demo --ask %*
