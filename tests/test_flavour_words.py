"""Where the package names a web UI's own endpoints, flags, settings, files and log lines, told from its strings.

They belong to the rooms in HOME. What other files name stands below, each file with its reason; it may only shrink.
Docstrings and comments explain and are not looked at.
"""

from __future__ import annotations

import ast
import re

from tests.source import PACKAGE

HOME = {"engine", "webui"}
"""The door and the reference web UI."""

WORDS = re.compile(
    r"sdapi|animatediff|cross_attention|webui-user|webui\.(?:sh|bat|settings)|(?<![\w-])(?:ui-)?config\.json"
    r"|sd_model_checkpoint|sd_vae|motion[_-]modules?|COMMANDLINE_ARGS|launch\.py|sd-webui|modules_forge|xformers"
    r"|models/Stable-diffusion|--(?:opt|med|low|no-half|precision|api|upcast|disable|attention|cuda|device-id)[\w-]*",
    re.IGNORECASE)

PACKAGES = "asks which packages an interpreter has"
SCRIPT = "the variable of launch scripts that holds flags, in most kinds of web UI"
PROSE = "told to the user in the words the web UI uses"
ATTENTION = "the name of an attention class, in values that the catalogue made"
RECORD = "a key of a document of ours"
EXCEPTIONS: dict[str, tuple[str, set[str]]] = {
    "cli/demo.py": ("writes the launch file of a demonstration", {
        "--no-half-vae", "--opt-split-attention", "commandline_args", "webui-user"}),
    "config/staleness_rules.py": (RECORD, {"animatediff", "motion_module", "xformers"}),
    "decide/assumptions.py": (ATTENTION, {"xformers"}),
    "decide/compare.py": (ATTENTION, {"xformers"}),
    "decide/memory_assumptions.py": (ATTENTION, {"xformers"}),
    "install/idle.py": (PROSE, {"--api"}),
    "launchfile/blocks.py": (SCRIPT, {"commandline_args"}),
    "launchfile/cmd_read.py": (SCRIPT, {"commandline_args"}),
    "launchfile/config_json.py": ("told to the user, and the file of a block's own", {"config.json"}),
    "launchfile/sh_commands.py": ("programs whose start a shell script is read up to", {"launch.py", "webui.sh"}),
    "launchfile/sh_others.py": (SCRIPT, {"commandline_args"}),
    "launchfile/sh_words.py": (SCRIPT, {"commandline_args"}),
    "launchfile/stability_matrix.py": ("the only packages that Stability Matrix keeps these options for", {"sd-webui"}),
    "launchfile/values.py": (SCRIPT, {"commandline_args"}),
    "machine/torch_probe.py": (PACKAGES, {"xformers"}),
    "machine/torch_probe_script.py": (PACKAGES, {"xformers"}),
    "model/cause.py": ("lines of the log that are no cause of a failure", {"animatediff", "xformers"}),
    "model/failures.py": (f"advice, {PROSE}", {
        "--lowvram", "--medvram", "--no-half", "--no-half-vae", "--upcast-sampling", "animatediff", "xformers"}),
    "model/workload.py": (ATTENTION, {"xformers"}),
    "overview/doctor.py": (PROSE, {"animatediff"}),
    "overview/probe.py": (RECORD, {"animatediff", "motion_modules"}),
    "report/tables.py": (PROSE, {"animatediff", "motion_modules", "xformers"}),
}


def _named(text: str) -> set[str]:
    """Words of a web UI in the strings of a source file, docstrings left out."""
    tree = ast.parse(text)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in told:
            value = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if isinstance(value, str):
                found.update(word.lower() for word in WORDS.findall(value))
    return found


def test_a_web_uis_words_stay_where_they_belong() -> None:
    """Equal, not at most: who takes a word out of a file takes it off the list, too."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] not in HOME and (words := _named(path.read_text(encoding="utf-8"))):
            found[place.as_posix()] = words
    assert found == {name: words for name, (_, words) in EXCEPTIONS.items()}


def test_strings_count_and_docstrings_do_not() -> None:
    assert _named('"""Asks /sdapi/v1/options."""\nx = 1  # --medvram\n') == set()
    assert _named('x = f"/sdapi/v1/{y}"\nz = b"set COMMANDLINE_ARGS="\n') == {"sdapi", "commandline_args"}
    assert _named('x = ("--no-half-vae", "my-config.json", "config.json")') == {"--no-half-vae", "config.json"}
