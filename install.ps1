<#
Installs autotune for the user who runs it. No administrator, no change to any other Python.

    .\install.ps1               installs, or installs anew what an earlier run installed
    .\install.ps1 -Engine       also PyTorch and the reference web UI, for `autotune demo`
    .\install.ps1 -Uninstall    takes the program and its entry in the PATH away; what was recorded stays

Where Windows runs no scripts:  powershell -ExecutionPolicy Bypass -File install.ps1
Needs Python 3.10 or newer (https://www.python.org/downloads/) and the internet. It lies beside a wheel of autotune
(autotune_webui-*.whl), or in its checkout.
#>
param([switch]$Engine, [switch]$Uninstall, [string]$Torch = 'torch==2.13.0')
$ErrorActionPreference = 'Stop'
# Not LOCALAPPDATA\autotune: that is where the records lie.
$folder = Join-Path $env:LOCALAPPDATA 'Programs\autotune'
$bin = Join-Path $folder 'bin'
$venv = Join-Path $folder 'venv'

function Set-OnPath([bool]$wanted) {
    # The registry's own text: variables in it stay variables, and other entries stay as they are.
    $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    $old = [string]$key.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
    $entries = @($old -split ';' | Where-Object { $_ -and $_ -ne $bin })
    if ($wanted) { $entries += $bin }
    $new = $entries -join ';'
    if (($old -split ';' -contains $bin) -ne $wanted) {
        $key.SetValue('Path', $new, 'ExpandString')
        # Tells open programs that the environment changed.
        [Environment]::SetEnvironmentVariable('AUTOTUNE_INSTALLED', $null, 'User')
    }
    $key.Close()
}

function Invoke-Checked([string]$program, [string[]]$words) {
    & $program @words
    if ($LASTEXITCODE -ne 0) { throw "'$program $words' ended with exit code $LASTEXITCODE. Mend that, then run this again." }
}

if ($Uninstall) {
    $program = Join-Path $bin 'autotune.exe'
    if (Test-Path -LiteralPath $program) { & $program --quiet service uninstall | Out-Null }
    Set-OnPath $false
    if (Test-Path -LiteralPath $folder) { Remove-Item -LiteralPath $folder -Recurse -Force }
    Write-Host "Removed $folder and its entry in your PATH. Records of tunes stay in $env:LOCALAPPDATA\autotune."
    exit 0
}

$source = @(Get-ChildItem -LiteralPath $PSScriptRoot -Filter 'autotune_webui-*.whl' | Sort-Object LastWriteTime)
if ($source) { $source = $source[-1].FullName }
elseif (Test-Path -LiteralPath (Join-Path $PSScriptRoot 'pyproject.toml')) { $source = $PSScriptRoot }
else { throw 'Beside this script lies neither a wheel of autotune nor its checkout.' }

# The launcher of python.org first. The Store's stand-in for a Python that is not there answers nothing.
$asked = 'import sys; sys.exit(sys.version_info < (3, 10))'
$python = $null
foreach ($name in 'py', 'python', 'python3') {
    if ($python -or -not (Get-Command $name -ErrorAction SilentlyContinue)) { continue }
    & $name -c $asked | Out-Null
    if ($LASTEXITCODE -eq 0) { $python = $name }
}
if (-not $python) { throw 'Python 3.10 or newer is not installed. Get it at https://www.python.org/downloads/' }

New-Item -ItemType Directory -Force -Path $bin | Out-Null
Invoke-Checked $python @('-m', 'venv', $venv)
$inside = Join-Path $venv 'Scripts\python.exe'
if ($Engine) { Invoke-Checked $inside @('-m', 'pip', 'install', '--quiet', $Torch) }
$what = if ($Engine) { "${source}[engine]" } else { $source }
Invoke-Checked $inside @('-m', 'pip', 'install', '--quiet', '--upgrade', $what)
# Alone in its folder, so that the PATH gets no python.exe and no pip.exe.
Copy-Item -Force -LiteralPath (Join-Path $venv 'Scripts\autotune.exe') -Destination $bin
Set-OnPath $true
$version = & (Join-Path $bin 'autotune.exe') --version
Write-Host "$version lies in $folder, made with $python, and in your PATH from the next window on. Then:"
Write-Host '  autotune --webui PATH\TO\stable-diffusion-webui probe'
Write-Host '  autotune --webui PATH\TO\stable-diffusion-webui shortcut    (a file to double-click, on the desktop)'
if ($Engine) { Write-Host '  autotune demo' }
