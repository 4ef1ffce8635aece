@echo off
rem Copy the faces that have outlines to a folder beside the faceset. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" xseg-fetch src --ask %*
