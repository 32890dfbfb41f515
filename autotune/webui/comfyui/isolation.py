"""Keeps a trial of ComfyUI apart: flags that it is not given, and folders, credentials and a node of its own.

Left out of every trial's words: network and TLS, its folders, the manager, accounts, pages and browser, previews,
logging, metadata and saved assets. What says where models and custom nodes lie stays.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from autotune.flags import argv
from autotune.flags.catalogue import Flag
from autotune.language.translate import _
from autotune.model.errors import NothingToWorkOn
from autotune.webui.comfyui import environment, folders, parser, trial_node
from autotune.webui.comfyui.install import Install, identify
from autotune.webui.comfyui.parser import OwnParser
from autotune.webui.face import TrialCommand, TrialStart

_TAKES = {
    # network, TLS, what a web page may do
    "--listen": "?", "--port": "1", "--tls-keyfile": "1", "--tls-certfile": "1", "--enable-cors-header": "?",
    "--max-upload-size": "1", "--enable-compress-response-body": "0",
    # folders that are the trial's own, and the owner's database
    "--output-directory": "1", "--temp-directory": "1", "--input-directory": "1", "--user-directory": "1",
    "--database-url": "1", "--enable-assets": "0", "--disable-assets": "0",
    # the manager, accounts, the network behind them
    "--enable-manager": "0", "--disable-manager-ui": "0", "--enable-manager-legacy-ui": "0", "--multi-user": "0",
    "--comfy-api-base": "1", "--disable-api-nodes": "0", "--offline": "0", "--feature-flag": "1",
    # pages and browser: --windows-standalone-build opens one, and in 0.3 renews the updater beside the install
    "--auto-launch": "0", "--disable-auto-launch": "0", "--windows-standalone-build": "0", "--front-end-version": "1",
    "--front-end-root": "1",
    # previews take time of the clip
    "--preview-method": "1", "--preview-size": "1",
    # logging: the log's lines are evidence; starts that end at once
    "--verbose": "?", "--log-stdout": "0", "--dont-print-server": "0", "--debug-hang": "0", "--disable-metadata": "0",
    "--quick-test-for-ci": "0", "--list-feature-flags": "0",
}
LEFT_OUT = {name: Flag(name, "protected", "", takes) for name, takes in _TAKES.items()}
"""Flags that a trial is not given, with how many values follow each."""
_PATHS = {name: Flag(name, "fixed", "", takes) for name, takes in {
    "--base-directory": "1", "--extra-model-paths-config": "+"}.items()}
"""Flags that stay and name places, relative ones counted from where the owner starts ComfyUI."""

STARTER = "start_main.py"
NODE = "autotune_trial"
"""Folder of the trial's own custom node."""
VARIABLE = "AUTOTUNE_COMFYUI_TRIAL"
"""The environment variable by which it gets credentials, checkpoint and folders."""
NODES_LEFT_OUT = re.compile(
    r"^comfyui[-_ ]?manager\b|(?:^|[-_ ])(?:login|sentinel|ngrok|cloudflared?|tunnels?)(?:$|[-_ ])", re.IGNORECASE)
"""Custom nodes without which a trial starts: they fetch, or ask for credentials of their own. None of them computes."""


def trial_words(words: Sequence[str]) -> tuple[str, ...]:
    """The words of the user's that a trial is given, order kept: none about network, folders or secrets."""
    kept: list[str] = []
    for piece in argv.pieces(words, LEFT_OUT):
        if piece.flag is None:
            kept += words[piece.start : piece.end]
    return tuple(kept)


def serves_tls(words: Sequence[str]) -> bool:
    """Whether these words make ComfyUI serve https: a key and a certificate."""
    return {"--tls-keyfile", "--tls-certfile"} <= set(argv.given(words, LEFT_OUT))


def prepare(start: TrialStart) -> TrialCommand:
    """Lays out the trial's own folders and node, and puts words and variables together.

    A start by its owner's script is one with that script's words: there is no other in ComfyUI. Raises NothingToWorkOn
    and OSError.
    """
    from autotune.webui.comfyui.models import preferred_checkpoint

    if not (start.root / "main.py").is_file():
        raise NothingToWorkOn(_("{root} has no main.py").format(root=start.root),
                              _("name the web UI's folder with --webui"))
    if not start.python.is_file():
        raise NothingToWorkOn(_("the web UI's interpreter {python} is missing").format(python=start.python),
                              _("start the web UI once by its own script, which makes it"))
    install = identify(start.root, start.words, start.launch_file)
    known = parser.read(start.root)
    begun = environment.of_start(start.root, start.launch_file)
    own = _lay_out(start.folder, start.port, known)
    whole = _absolute(trial_words(install.words), install.started_in)
    words = (*whole, *own, *nodes_to_load(install, known))
    embedded = install.host.name == "portable"
    env = environment.of_trial(begun, start.python, embedded)
    place = install.folders
    env[VARIABLE] = json.dumps({
        "auth": f"{start.credentials.user}:{start.credentials.password}",
        "checkpoint": preferred_checkpoint(start.root, start.words),
        "input": str(place.input), "output": str(place.output),
    })
    program = (str(start.python), *(("-s",) if embedded else ()), "-u", *_starter(start.python, start.folder))
    return TrialCommand((*program, str(start.root / "main.py"), *words), env, tuple(filter(None, (begun.problem,))))


def _starter(python: Path, folder: Path) -> tuple[str, ...]:
    """The script that starts main.py in a Python that takes no PYTHONPATH; none for any other."""
    if not any(python.parent.glob("python*._pth")):
        return ()
    return (str(shutil.copy(Path(trial_node.__file__).parent / STARTER, folder)),)


def _lay_out(folder: Path, port: int, known: OwnParser) -> tuple[str, ...]:
    """Makes the trial's folders, its node and the file that names it; returns the words that make a start a trial."""
    places = {kind: folder / kind for kind in ("output", "temp", "input", "user", "tmp", "nodes")}
    for place in places.values():
        place.mkdir(exist_ok=True)
    shutil.copytree(Path(trial_node.__file__).parent / NODE, places["nodes"] / NODE,
                    ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    config = folder / "nodes.yaml"
    # JSON is YAML, whatever letters a path has.
    config.write_text(json.dumps({NODE: {"custom_nodes": str(places["nodes"])}}), encoding="utf-8")

    words = ["--listen", "127.0.0.1", "--port", str(port), "--extra-model-paths-config", str(config)]
    for kind in ("output", "temp", "input", "user"):
        words += [f"--{kind}-directory", str(places[kind])] if known.knows(f"--{kind}-directory") else []
    words += ["--database-url", "sqlite:///:memory:"] if known.knows("--database-url") else []
    newer = [flag for flag in ("--offline", "--disable-assets") if flag in known.by_name]
    older = () if "--offline" in newer else ("--disable-api-nodes",)
    words += [flag for flag in ("--disable-auto-launch", "--disable-metadata", *older) if known.knows(flag)]
    return (*words, *newer)


def _absolute(words: Sequence[str], started_in: Path) -> tuple[str, ...]:
    """The words with relative places made whole: a trial is not started where its owner starts ComfyUI."""
    out: list[str] = []
    for piece in argv.pieces(words, _PATHS):
        if piece.flag is None or not piece.sound:
            out += words[piece.start : piece.end]
        else:
            out += [piece.flag, *(os.path.normpath(started_in / value) for value in piece.values)]
    return tuple(out)


def nodes_to_load(install: Install, known: OwnParser) -> tuple[str, ...]:
    """The words that load the owner's custom nodes but those of NODES_LEFT_OUT, and the trial's own.

    None where all are loaded as they are: nothing is to be left out, or the install is older than such a list.
    """
    off, listed = "--disable-all-custom-nodes", "--whitelist-custom-nodes"
    if listed not in known.by_name:
        return ()
    owners_off = folders.is_given(install.words, off)
    names = folders.given(install.words, listed) if owners_off else tuple(_nodes_in(install.folders.of("custom_nodes")))
    wanted = [name for name in names if not NODES_LEFT_OUT.search(name) and not name.startswith("-")]
    if not owners_off and len(wanted) == len(names):
        return ()
    return (off, listed, *sorted(dict.fromkeys(wanted)), NODE)


def _nodes_in(places: Iterable[Path]) -> Iterable[str]:
    """Names of the custom nodes in these folders, as ComfyUI lists them."""
    for place in places:
        try:
            entries = sorted(place.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.name != "__pycache__" and not entry.name.endswith(".disabled") and (
                    entry.is_dir() or entry.suffix == ".py"):
                yield entry.name
