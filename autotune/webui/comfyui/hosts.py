"""Tells which program starts an install, and what that program adds: folders, a Python, flags of its own.

Comfy Desktop 1 starts the ComfyUI among its own resources on the folder that its config.json names; Comfy Desktop 2
keeps a list of installs and gives each the folders of models that all share; comfy-cli knows its workspaces by
config.ini. All this is read from the files of those programs, as their own source reads them.
"""

from __future__ import annotations

import configparser
import json
import locale
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.webui import stability_matrix

PORTABLE = ("python_embeded", "python_embedded", "python_standalone")
"""Folders of the Python beside the ComfyUI of a Windows package; the first is how the usual one spells it."""
CONTAINER = ("CLI_ARGS", "COMFY_CMDLINE_EXTRA", "COMFYUI_FLAGS")
"""Variables that docker images take the flags from: yanwk's, mmartial's, ai-dock's."""
_DESKTOP_2 = ("comfyui-desktop-2", "Comfy Desktop")
"""What Comfy Desktop 2 calls its data folder, by the name of its package or of its product."""


@dataclass(frozen=True, slots=True)
class Host:
    """A program that starts an install; ``name`` '' where its owner does.

    ``base``: the folder that it keeps models, nodes and outputs in, None: the install's own. ``pythons``: where the
    Python lies that it uses, the likeliest first. ``words``: flags that it gives beside those its owner set there.
    ``file``: its own file that says so. ``above``: it starts ComfyUI in the folder above it, from which relative paths
    among the flags count then.
    """

    name: str = ""
    base: Path | None = None
    pythons: tuple[Path, ...] = ()
    words: tuple[str, ...] = ()
    file: Path | None = None
    above: bool = False


def host_of(root: Path, environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Host:
    """The program that starts the install at ``root``. Raises nothing; an unreadable file counts as absent."""
    environ = os.environ if environ is None else environ
    listed = stability_matrix.listed_by(root, environ)
    if listed is not None:
        return Host("stability-matrix", pythons=(root / "venv",), file=listed[0])
    found = _desktop_1(root, environ, platform) or _desktop_2(root, environ, platform)
    if found is not None:
        return found
    beside = embedded(root)
    if beside:
        return Host("portable", pythons=beside, above=True)
    config = comfy_cli_config(environ, platform)
    if any(is_workspace(config, key, root) for key in ("default_workspace", "recent_workspace")):
        return Host("comfy-cli", pythons=(root / ".venv", root / "venv"), file=config)
    if container(environ) or _in_container():
        return Host("docker")
    return Host()


def embedded(root: Path) -> tuple[Path, ...]:
    """The folders of a Python of its own beside ComfyUI, in a Windows package; none elsewhere."""
    return tuple(root.parent / name for name in PORTABLE if (root.parent / name / "python.exe").is_file())


def container(environ: Mapping[str, str]) -> str:
    """The variable that a docker image takes the flags from; '' where none is set."""
    return next((name for name in CONTAINER if environ.get(name)), "")


def meant(path: Path, environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Iterator[Path]:
    """Installs that somebody may mean who names this folder: below it, or one that a host runs on it."""
    environ = os.environ if environ is None else environ
    yield path / "ComfyUI"
    yield path / "ComfyUI_windows_portable" / "ComfyUI"
    for resources in _desktop_1_resources(environ, platform):
        config = _user_data("ComfyUI", environ, platform) / "config.json"
        base = _json(config).get("basePath")
        if isinstance(base, str) and base and _same(Path(base), path):
            yield resources / "ComfyUI"
    for __, record in _records(environ, platform):
        if record.get("adoptedBaseDir") and _same(Path(str(record["adoptedBaseDir"])), path):
            yield Path(str(record["installPath"])) / "ComfyUI"


def comfy_cli_config(environ: Mapping[str, str], platform: str) -> Path:
    """comfy-cli's config.ini, which need not exist."""
    home = _home(environ)
    if platform == "win32":
        return home / "AppData" / "Local" / "comfy-cli" / "config.ini"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "comfy-cli" / "config.ini"
    return home / ".config" / "comfy-cli" / "config.ini"


def is_workspace(config: Path, option: str, root: Path) -> bool:
    """Whether this option of comfy-cli's config.ini (default_workspace, recent_workspace) names the folder."""
    try:
        data = config.read_bytes()
    except OSError:
        return False
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode(locale.getpreferredencoding(False), "replace")
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return False
    given = parser.defaults().get(option, "").replace("%%", "%")
    return given != "" and _same(Path(os.path.expanduser(given)), root)  # noqa: PTH111 - Path's raises for unknown names


def desktop_1_folder(environ: Mapping[str, str], platform: str) -> Path:
    """Where Comfy Desktop 1 keeps its config.json and extra_models_config.yaml; it need not exist."""
    return _user_data("ComfyUI", environ, platform)


def desktop_2_folders(environ: Mapping[str, str], platform: str) -> tuple[Path, ...]:
    """Where Comfy Desktop 2 may keep its installations.json; none of them need exist."""
    if platform.startswith("linux"):
        base = Path(environ.get("XDG_DATA_HOME") or _home(environ) / ".local" / "share")
        return (base / _DESKTOP_2[0],)
    return tuple(_user_data(name, environ, platform) for name in _DESKTOP_2)


def desktop_2_record(
    root: Path, environ: Mapping[str, str], platform: str = sys.platform
) -> tuple[Path, dict[str, Any]] | None:
    """(installations.json, record) of the install at ``root`` in Comfy Desktop 2; None where it lists none such."""
    return next(((file, record) for file, record in _records(environ, platform) if starts(record, root)), None)


def starts(record: Mapping[str, Any], root: Path) -> bool:
    """Whether a record of Comfy Desktop 2's list is the one that starts the install at ``root``."""
    given = record.get("installPath")
    if not isinstance(given, str) or not given or record.get("sourceId") == "desktop":
        return False
    return any(_same(one, root) for one in (Path(given) / "ComfyUI", Path(given)))


def _desktop_1(root: Path, environ: Mapping[str, str], platform: str) -> Host | None:
    """Comfy Desktop 1: ComfyUI among the app's resources, where app.asar (its own code) lies, too."""
    if root.parent.name.lower() != "resources" or not (root.parent / "app.asar").exists():
        return None
    folder = desktop_1_folder(environ, platform)
    said = _json(folder / "config.json").get("basePath")
    if not isinstance(said, str) or not said:
        return Host("desktop", file=folder / "config.json")
    base = folder / said
    words = ["--user-directory", str(base / "user"), "--input-directory", str(base / "input"),
             "--output-directory", str(base / "output")]
    pages = root / "web_custom_versions" / "desktop_app"
    words += ["--front-end-root", str(pages)] if pages.is_dir() else []
    words += ["--base-directory", str(base)]
    extra = folder / "extra_models_config.yaml"
    words += ["--extra-model-paths-config", str(extra)] if extra.is_file() else []
    return Host("desktop", base, (base / ".venv",), tuple(words), folder / "config.json")


def _desktop_2(root: Path, environ: Mapping[str, str], platform: str) -> Host | None:
    found = desktop_2_record(root, environ, platform)
    if found is None:
        return None
    file, record = found
    named = [record.get("adoptedPythonPath") if record.get("adopted") else None, record.get("venvPath")]
    pythons = [Path(one) for one in named if isinstance(one, str) and one]
    pythons += [root / ".venv", root.parent / "envs" / "default"]
    words: list[str] = []
    said = record.get("adoptedBaseDir") if record.get("adopted") else None
    base = Path(said) if isinstance(said, str) and said else None
    if base is not None:
        words += ["--base-directory", str(base), "--user-directory", str(base / "user")]
    words += _shared_folders(file, record, environ, platform)
    above = not _same(Path(str(record["installPath"])), root)
    return Host("desktop", base, tuple(pythons), tuple(words), file, above)


def _shared_folders(
    file: Path, record: Mapping[str, Any], environ: Mapping[str, str], platform: str
) -> tuple[str, ...]:
    """What Comfy Desktop 2 gives of the folders that its installs share, or of those that this one has for itself."""
    config = file.parent
    if platform.startswith("linux"):
        config = Path(environ.get("XDG_CONFIG_HOME") or _home(environ) / ".config") / _DESKTOP_2[0]
    settings = _json(config / "settings.json")
    shared = record.get("useSharedModels") is not False
    models = file.parent / "shared_model_paths.yaml" if shared else \
        file.parent / "instance-model-paths" / f"{record.get('id')}.yaml"
    words = ["--extra-model-paths-config", str(models)] if models.is_file() else []
    source = settings if record.get("useSharedInputOutput") is not False else record
    for flag, name in (("--input-directory", "inputDir"), ("--output-directory", "outputDir")):
        given = source.get(name)
        words += [flag, given] if isinstance(given, str) and given else []
    return tuple(words)


def _records(environ: Mapping[str, str], platform: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every install that Comfy Desktop 2 lists with a folder of its own."""
    for folder in desktop_2_folders(environ, platform):
        file = folder / "installations.json"
        listed = _document(file)
        for record in listed if isinstance(listed, list) else ():
            if isinstance(record, dict) and isinstance(record.get("installPath"), str) and record["installPath"]:
                yield file, record


def _desktop_1_resources(environ: Mapping[str, str], platform: str) -> Iterator[Path]:
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        for name in ("ComfyUI", "@comfyorgcomfyui-electron"):
            yield Path(environ["LOCALAPPDATA"]) / "Programs" / name / "resources"
    elif platform == "darwin":
        for base in (Path("/Applications"), _home(environ) / "Applications"):
            yield base / "ComfyUI.app" / "Contents" / "Resources"


def _user_data(name: str, environ: Mapping[str, str], platform: str) -> Path:
    """Where an Electron app of this name keeps its data."""
    home = _home(environ)
    if platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / name
    if platform == "darwin":
        return home / "Library" / "Application Support" / name
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / name


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("USERPROFILE" if os.name == "nt" else "HOME") or Path.home())


def _json(path: Path) -> dict[str, Any]:
    document = _document(path)
    return document if isinstance(document, dict) else {}


def _document(path: Path) -> object:
    try:
        document: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return document


def _in_container() -> bool:
    return os.name != "nt" and (os.path.lexists("/.dockerenv") or os.path.lexists("/run/.containerenv"))


def _same(one: Path, other: Path) -> bool:
    """Whether both are the same folder, by their names or, where both exist, by what they are."""
    if os.path.normcase(one.absolute()) == os.path.normcase(other.absolute()):
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False
