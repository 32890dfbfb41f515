"""`autotune demo`: the whole path on a reference web UI in a temporary folder, as a user would type it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from autotune.cli.common_options import YES, CommonOptions, verb
from autotune.cli.engine import create
from autotune.cli.output import print_json, print_text
from autotune.language.choice import ENVIRONMENT as LANG
from autotune.language.translate import N_, _, language
from autotune.model.errors import AutotuneError, Refused
from autotune.report.words import plural

OWNED_WORDS = {"a1111": "--opt-split-attention --no-half-vae", "comfyui": "--use-split-cross-attention"}
"""What the demo's imaginary user copied from an old guide. Whether something beats it here is for the statistics."""
PLACES = {"a1111": Path("stable-diffusion-webui"), "comfyui": Path("Data", "Packages", "ComfyUI")}
"""Where the web UI lies in the temporary folder: ComfyUI as a package of Stability Matrix, which keeps its flags."""


@dataclass
class _DemoStage:
    """Runs autotune as its user would and shows it; with --json everything shown goes to stderr."""

    root: Path
    state: Path
    to_stderr: bool
    quiet: bool
    flavour: str
    seconds: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        if self.to_stderr:
            if not self.quiet:
                sys.stderr.write(text + "\n")
                sys.stderr.flush()
        else:
            print_text(text)

    def run(self, *words: str, shown: Sequence[str] | None = None) -> dict[str, Any]:
        """Runs one verb for its table, on the screen."""
        self.say(f"\n$ autotune {' '.join(shown or words)}")
        began = time.monotonic()
        environment = {**os.environ, "AUTOTUNE_WEBUI": str(self.root), "AUTOTUNE_STATE_DIR": str(self.state),
                       LANG: language()}
        command = [sys.executable, "-m", "autotune", *words, *(["--quiet"] if self.quiet else [])]
        output = subprocess.PIPE if "--json" in words else sys.stderr if self.to_stderr else None
        done = subprocess.run(command, env=environment, stdout=output, stdin=subprocess.DEVNULL, encoding="utf-8",
                              check=False)
        self.seconds[words[0]] = self.seconds.get(words[0], 0.0) + time.monotonic() - began
        if done.returncode not in (0, 7):
            raise AutotuneError(
                _("the demo stopped: `autotune {words}` ended with exit code {code}").format(
                    words=" ".join(words), code=done.returncode), _("What it said stands above."))
        return dict(json.loads(done.stdout)) if "--json" in words else {}


@verb("demo")
@click.option("--report", "report", type=click.Path(path_type=Path), default=Path("autotune-demo.html"),
              show_default=True, help="Where the report goes.")
@click.option("--minutes", type=click.FloatRange(1, 60), default=3.0, show_default=True, help="Budget of the tune.")
@click.option("--seed", type=int, default=0)
@click.option("--flavour", type=click.Choice(["a1111", "comfyui"]), default="a1111", show_default=True,
              help="The web UI that it stands for.")
@YES
def demo_command(common: CommonOptions, report: Path, minutes: float, seed: int, flavour: str) -> None:
    """Shows the whole path on a small web UI of our own: probe, tune, apply, verify, rollback.

    Nothing of yours is touched: the web UI, its launch file and all records lie in a temporary folder.
    """
    report = report.absolute()
    with tempfile.TemporaryDirectory(prefix="autotune-demo-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / PLACES[flavour]
        stage = _DemoStage(root, Path(folder) / "state", common.as_json, common.quiet, flavour)
        result = _play(common, stage, report, minutes, seed)
    if common.as_json:
        print_json("demo", result)


def _play(common: CommonOptions, stage: _DemoStage, report: Path, minutes: float, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    launch_file = _lay_out(common, stage)
    before = launch_file.read_bytes()

    stage.run("probe")
    words = ("tune", "--profile", "tiny", "--budget", f"{minutes:g}m", "--seed", str(seed))
    stage.run(*words)
    # The same command again: the study is finished, so this reads the verdict and measures nothing.
    tuned = stage.run(*words, "--json", "--quiet", shown=(*words, "--json"))
    if tuned["decision"] == "apply":
        stage.run("apply", "--yes")
        stage.run("verify")
        stage.run("status")
        stage.run("rollback")
    else:
        stage.say("\n" + _("Nothing to apply: the flags it has stay."))
    stage.run("history")
    stage.run("report", "--output", str(report))
    same = launch_file.read_bytes() == before
    if not same:
        raise Refused(_("{name} is not what it was").format(name=launch_file.name),
                      _("This is a fault of autotune: please report it."))
    wall = time.monotonic() - began
    stage.say("\n" + summary(tuned, wall, report))
    return {"tune": tuned, "wall": round(wall, 1), "report": str(report), "restored": same}


def _lay_out(common: CommonOptions, stage: _DemoStage) -> Path:
    """Lays out the web UI, gives it its owner's flags, and returns the file that they stand in."""
    from autotune.cli.progress import working

    if stage.flavour == "comfyui":
        stage.say(_("A stand-in, not ComfyUI: autotune's reference ComfyUI, which computes for real, but small."))
    else:
        stage.say(_("A stand-in, not AUTOMATIC1111: autotune's reference web UI, which computes for real, but small."))
    more = "" if stage.flavour == "a1111" else f" --flavour {stage.flavour}"
    stage.say(f"$ autotune engine create {stage.root.name}{more}")
    with working(common, N_("Laying out a small web UI")):
        laid_out = create(stage.root, "tiny", "cpu", False, stage.flavour)
    stage.say(laid_out)
    owned = OWNED_WORDS[stage.flavour]
    if stage.flavour == "comfyui":
        launch_file = give_package(stage.root, owned)
    else:
        launch_file = stage.root / ("webui-user.bat" if sys.platform == "win32" else "webui-user.sh")
        give_flags(launch_file, owned)
    stage.say(_("Its owner's flags, in {name}: {flags}").format(name=launch_file.name, flags=owned))
    return launch_file


def summary(tuned: dict[str, Any], wall: float, report: Path) -> str:
    """The last words: what was gained, in what time (``wall``: seconds of the demo), and where the report lies."""
    lines = [tuned["reason"]]
    if tuned["decision"] == "apply":
        gain = tuned["speedup"]
        winner, before = (" ".join(tuned[one]["flags"]) or _("no flag at all") for one in ("winner", "baseline"))
        lines = [
            _("{winner} renders {gain:.2f} times as fast as {before} ({low:.2f} to {high:.2f} at {confidence:.0%} "
              "confidence).").format(winner=winner, gain=gain["estimate"], before=before, low=gain["low"],
                                     high=gain["high"], confidence=gain["confidence"]),
            _("It was applied, proven to be in effect, and rolled back byte for byte.")]
    lines += [
        _("{launches} and {clips} in {tuning:.0f} s of tuning; {all:.0f} s for everything.").format(
            launches=plural(tuned["launches"], "launch"), clips=plural(tuned["clips"], "clip"),
            tuning=tuned["cost"]["wall"], all=wall),
        _("The report: {path}").format(path=report)]
    return "\n".join([_("What happened"), *(f"  {line}" for line in lines)])


def give_package(root: Path, words: str) -> Path:
    """Lists a fresh reference ComfyUI as a package of Stability Matrix, with flags; returns the file."""
    options = [{"Name": word, "Type": "Bool", "OptionValue": True} for word in words.split()]
    package = {"Id": "1", "DisplayName": root.name, "PackageName": root.name, "LaunchCommand": "main.py",
               "LibraryPath": str(Path(root.parent.name, root.name)), "LaunchArgs": options}
    file = root.parent.parent / "settings.json"
    file.write_text(json.dumps({"Version": 1, "InstalledPackages": [package]}, indent=2), encoding="utf-8")
    return file


def give_flags(launch_file: Path, words: str) -> None:
    """Sets the flags of a fresh reference web UI as a user would: in the launch file's own assignment."""
    batch = launch_file.suffix == ".bat"
    wanted = (f"set COMMANDLINE_ARGS={words}" if batch else f'export COMMANDLINE_ARGS="{words}"').encode()
    assignment = rb"(?m)^#*" + wanted.partition(b"=")[0] + rb"=[^\r\n]*"
    data, found = re.subn(assignment, lambda _: wanted, launch_file.read_bytes(), count=1)
    launch_file.write_bytes(data if found else wanted + (b"\r\n" if b"\r\n" in data else b"\n") + data)
