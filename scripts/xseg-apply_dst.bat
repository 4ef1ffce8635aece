@echo off
rem Draw the masks of a faceset's faces with the trained XSeg. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" xseg-apply dst --ask %*
