@echo off
rem Find a Python, start the program with the words given, hand on its exit code. All batch files come here, and this is
rem the only one with logic. No block in parentheses: a folder's name may hold a parenthesis.
setlocal EnableExtensions DisableDelayedExpansion
set "PYTHONHOME="
set "PYTHONPATH="
set "FITS=import sys, click, pydantic; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"

rem A portable folder brings its own Python, whose ._pth file says where the program is.
set "PYTHON=%~dp0python\python.exe"
set "VERSION="
if exist "%PYTHON%" goto run

rem A source checkout: its own virtual environment, an active one, or an installed Python.
set "PYTHONPATH=%~dp0."
set "PYTHON=%~dp0..\.venv\Scripts\python.exe"
if exist "%PYTHON%" goto run
set "PYTHON=python"
"%PYTHON%" %VERSION% -P -c "%FITS%" >nul 2>nul
if "%ERRORLEVEL%"=="0" goto run
set "PYTHON=py"
"%PYTHON%" %VERSION% -P -c "%FITS%" >nul 2>nul
if "%ERRORLEVEL%"=="0" goto run
set "VERSION=-3.13"
"%PYTHON%" %VERSION% -P -c "%FITS%" >nul 2>nul
if "%ERRORLEVEL%"=="0" goto run
set "VERSION=-3.12"
"%PYTHON%" %VERSION% -P -c "%FITS%" >nul 2>nul
if "%ERRORLEVEL%"=="0" goto run
set "VERSION=-3.11"
"%PYTHON%" %VERSION% -P -c "%FITS%" >nul 2>nul
if "%ERRORLEVEL%"=="0" goto run

echo Error: no Python 3.11, 3.12 or 3.13 with this program's packages was found.
echo Portable folder: unpack the whole zip file first, with the folder _internal\python, then start again.
echo Source folder: install Python 3.13 from python.org, then type in the folder of 1_extract_src.bat:
echo     py -3.13 -m venv .venv
echo     .venv\Scripts\python -m pip install -e .
set "CODE=2"
goto end

:run
"%PYTHON%" %VERSION% -X utf8 -P -m dfl %*
set "CODE=%ERRORLEVEL%"

:end
rem 2 and 130 have said what to do: the user can mend it, or stopped it.
if not "%CODE%"=="0" if not "%CODE%"=="2" if not "%CODE%"=="130" echo It ended with code %CODE%. scripts\doctor.bat tells what this machine lacks.
if not defined DFL_NO_PAUSE pause
endlocal & exit /b %CODE%
