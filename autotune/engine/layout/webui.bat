@echo off
rem Start script of the reference web UI: settings, interpreter, launch.py, again while tmp\restart exists.

if exist webui.settings.bat (
    call webui.settings.bat
)
if not defined PYTHON (set PYTHON=python)
if not defined VENV_DIR (set "VENV_DIR=%~dp0%venv")
if not defined LAUNCH_SCRIPT (set LAUNCH_SCRIPT=launch.py)

set SD_WEBUI_RESTART=tmp/restart
set ERROR_REPORTING=FALSE
if not exist tmp mkdir tmp

if "%VENV_DIR%" == "-" goto :start
if "%SKIP_VENV%" == "1" goto :start
if not exist "%VENV_DIR%\Scripts\python.exe" goto :start
set PYTHON="%VENV_DIR%\Scripts\python.exe"

:start
%PYTHON% -u "%LAUNCH_SCRIPT%" %*
if not exist tmp\restart goto :end
del tmp\restart
set SD_WEBUI_RESTARTING=1
goto :start

:end
pause
exit /b
