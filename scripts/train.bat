@echo off
rem Train a model on both facesets until you stop it. (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0..\_internal\run.bat" train --ask %*
