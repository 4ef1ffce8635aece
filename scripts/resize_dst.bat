@echo off
rem Make a faceset's pictures larger or smaller, or of another face type. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" resize dst --ask %*
