@echo off
rem Put the faces of a faceset into an order, or choose the best of them. For data_src. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" sort src --ask %*
