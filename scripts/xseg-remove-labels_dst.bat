@echo off
rem Take the outlines out of a faceset's faces that you have drawn. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" xseg-remove-labels dst --ask %*
