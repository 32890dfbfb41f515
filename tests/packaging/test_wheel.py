"""The wheel holds all that the program needs, the source archive makes the same wheel, and the installers take it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune import __version__

ROOT = Path(__file__).parents[2]
GENERATED = re.compile(r"(?:^|/)(?:__pycache__|\.\w+_cache)/")


def build(kind: str, source: Path, folder: Path) -> Path:
    """The wheel or the sdist (``kind``) of a source tree. Needs no network: the build backend is installed."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)], cwd=source, check=True,
                   capture_output=True, text=True)
    return next(folder.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("archive"))


def files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    wanted = {f"{folder}{path.relative_to(ROOT / top).as_posix()}": path.read_bytes()
              for top, folder in (("autotune", "autotune/"), ("profiles", "autotune/profiles/"),
                                  ("systemd", "autotune/systemd/"))
              for path in (ROOT / top).rglob("*") if path.is_file() and not GENERATED.search(path.as_posix())}
    packed = {name: data for name, data in files(wheel).items() if ".dist-info/" not in name}
    assert set(packed) == set(wanted) and packed == wanted
    assert wheel.name == f"autotune_webui-{__version__}-py3-none-any.whl"


def test_the_source_archive_makes_the_same_wheel(wheel: Path, archive: Path, tmp_path: Path) -> None:
    """From the archive alone: what it lacks is lacking in what is made of it."""
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    source = tmp_path / archive.name.removesuffix(".tar.gz")
    assert files(build("wheel", source, tmp_path / "dist")) == files(wheel)
    assert not [path for path in source.rglob("*") if GENERATED.search(path.as_posix())]
    for name in ("tests/packaging/installers.sh", "tests/windows/portable.sh", "install.ps1", "LICENSE", "Makefile"):
        assert (source / name).is_file(), name


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ``autotune`` of a fresh environment that has the wheel; what it depends on is lent by our own."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = Path(sysconfig.get_path("purelib", scheme=sysconfig.get_preferred_scheme("prefix"),
                                   vars={"base": str(folder), "platbase": str(folder)}))
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True)
    lent = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "lent.pth").write_text("".join(f"{path}\n" for path in lent), encoding="utf-8")
    yield folder / ("Scripts/autotune.exe" if sys.platform == "win32" else "bin/autotune")
    shutil.rmtree(folder)


def said(program: Path, *words: str, code: int = 0, at: Path) -> str:
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "AUTOTUNE_WEBUI")}
    done = subprocess.run([program, *words], cwd=at, env={**env, "HOME": str(at), "USERPROFILE": str(at)},
                          capture_output=True, encoding="utf-8", check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


needs_pip = pytest.mark.skipif(sys.platform == "win32", reason="the Windows Python of the tests has no pip")


@needs_pip
def test_the_command_runs_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    place = ("--state-dir", str(tmp_path / "state"))
    assert said(installed, "--version", at=tmp_path) == f"autotune {__version__}\n"
    where = said(installed.with_name("python"), "-c", "import autotune; print(autotune.__file__)", at=tmp_path)
    assert str(installed.parents[1]) in where, "it runs the source tree"
    assert "default" in said(installed, "profiles", "list", *place, at=tmp_path)
    assert "no web UI found" in said(installed, "probe", *place, code=3, at=tmp_path)
    assert "complete" in said(installed, "completion", "bash", *place, at=tmp_path)


@needs_pip
@pytest.mark.slow
def test_every_module_of_the_wheel_is_there_and_imports(installed: Path, tmp_path: Path) -> None:
    code = ("import importlib, pkgutil, autotune\n"
            "for one in pkgutil.walk_packages(autotune.__path__, 'autotune.'):\n"
            "    if not one.name.endswith('__main__'): importlib.import_module(one.name)\n"
            "print(autotune.__path__[0])")
    where = said(installed.with_name("python"), "-W", "ignore", "-c", code, at=tmp_path)
    assert str(installed.parents[1]) in where


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the script is for Linux")
def test_pipx_and_uv_take_it_in_a_bare_environment(wheel: Path) -> None:
    done = subprocess.run([ROOT / "tests/packaging/installers.sh", wheel], env={**os.environ, "PYTHON": sys.executable},
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        pytest.skip("no package index that has pipx and uv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pipx: installed in" in done.stdout and "uv: installed in" in done.stdout
