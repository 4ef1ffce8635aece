@echo off
rem Train XSeg, which draws the masks of faces, on outlines that you drew. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" xseg-train --ask %*
