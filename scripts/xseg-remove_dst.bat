@echo off
rem Take the masks out of a faceset's faces that XSeg has drawn. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" xseg-remove dst --ask %*
