@echo off
rem Take faces out of a faceset; restore puts them back. For data_dst. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" trash dst --ask %*
