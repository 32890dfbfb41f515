"""Tells programs that render AnimateDiff clips and are no web UI, and says what can be done about speed there.

Read in guoyww/AnimateDiff (its first code of July 2023 to its last of July 2024), in neggles/animatediff-cli, in their
forks and in diffusers; nothing was run. The command script and the Gradio app use xformers wherever it can be imported;
``--without-xformers`` came in December 2023. Their motion module takes plain attention either way: diffusers 0.11 turns
xformers on in those blocks that have a method for it, and the temporal attention has none. Torch's own attention came
into diffusers with 0.13. animatediff-cli uses that by itself, and xformers by ``--xformers``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autotune.language.translate import N_, _

FOLDER_NAMES = ("AnimateDiff", "animatediff-cli", "animatediff-cli-prompt-travel")
"""What the folders of these programs are usually called."""
_SCRIPT, _APP, _CLI = "scripts/animate.py", "app.py", "src/animatediff/cli.py"
_MODULE = "animatediff/models/motion_module.py"
"""Beside one of the first two. A program of another kind can have a script of that name, an extension the package."""
_PINS = ("requirements.txt", "environment.yaml", "environment.yml", "setup.cfg", "pyproject.toml")
_PIN = re.compile(r"(?m)^[\s\-\"']*(torch|pytorch|diffusers)(?:\[[\w,]*\])?\s*[=~>]=?=?\s*(\d[\d.]*)")
_SDPA = "scaled_dot_product_attention"
_SDPA_SINCE = (0, 13)
"""The diffusers that first uses torch's own attention."""

_PLAIN_MOTION = (0, 11)
"""The diffusers with which the motion module never gets xformers."""

FIGURES = N_(
    "In the web UI xformers and SDPA are launch flags, which autotune measures, proves and puts back: by flags "
    "alone a clip of 512 x 512 x 16 frames came from 31.9 to 27.6 s on an RTX 3090 (the article's figures) and "
    "from 7.36 to 5.47 s on an H200 (docs/article.md).")
"""Why the web UI is the way. tests/webui/test_other_programs.py holds these figures against the recorded samples."""


@dataclass(frozen=True, slots=True)
class OtherProgram:
    """A program that is known and cannot be tuned: what it is called, and what its user can do by hand."""

    title: str
    switches: str

    @property
    def advice(self) -> str:
        """What to do next, a line each: by hand, by the web UI, on the command line."""
        untouched = _("autotune writes nothing there.")
        return "\n".join((f"{self.switches} {untouched}", _(FIGURES),
                          _("To tune your web UI, name its folder with --webui DIR.")))


def recognise(root: Path) -> OtherProgram | None:
    """The program whose clone ``root`` holds, whatever the folder is called. Raises nothing; None for all else."""
    if (root / _CLI).is_file() and (root / "src" / _MODULE).is_file():
        return OtherProgram(_("the command line of animatediff-cli (or of a fork of it)"), _of_the_command_line(root))
    names = [name for name in (_SCRIPT, _APP) if (root / name).is_file()]
    if not names or not (root / _MODULE).is_file():
        return None
    if len(names) == 2:
        title = _("AnimateDiff's own command script and Gradio app (guoyww/AnimateDiff, or a fork of it)")
    elif names == [_SCRIPT]:
        title = _("AnimateDiff's own command script (guoyww/AnimateDiff, or a fork of it)")
    else:
        title = _("AnimateDiff's own Gradio app (guoyww/AnimateDiff, or a fork of it)")
    return OtherProgram(title, " ".join(_of_the_script(root, names)))


def _of_the_command_line(root: Path) -> str:
    if "--xformers" in _text(root / _CLI):
        return _("There torch's own attention (SDPA) is used by itself, and xformers in its place with --xformers.")
    return _sdpa(root, root / "src")


def _of_the_script(root: Path, names: list[str]) -> Iterator[str]:
    texts = {name: _text(root / name) for name in names}
    if any("enable_xformers" in text for text in texts.values()):
        yield _("There xformers is used wherever it is installed.")
        if _number(pinned(root).get("diffusers", ""))[:2] == _PLAIN_MOTION:
            yield _("Its motion module does not get it.")
        if _SCRIPT in names:
            has = "--without-xformers" in texts[_SCRIPT]
            yield _("The command script does without by --without-xformers.") if has else \
                _("This command script has no switch for it: uninstall xformers to do without.")
        if _APP in names:
            yield _("The Gradio app has no switch for it.")
    else:
        yield _("There xformers is not used.")
    yield _sdpa(root, root)


def _sdpa(root: Path, source: Path) -> str:
    """What its own code, or else the packages that it asks for, let expect of torch's own attention."""
    if any(_SDPA in _text(path) for path in sorted((source / "animatediff/models").glob("*.py"))):
        return _("Where xformers is not used, torch's own attention (SDPA) is.")
    asked = pinned(root)
    diffusers = asked.get("diffusers")
    if diffusers is None or _number(diffusers) >= _SDPA_SINCE:
        return _("Torch's own attention (SDPA) is what diffusers takes there since 0.13, with torch 2, without "
                 "xformers.")
    told = ", ".join(f"{name} {version}" for name, version in sorted(asked.items()))
    return _("Torch's own attention (SDPA) cannot be switched on: it asks for {packages}, and diffusers has it since "
             "0.13.").format(packages=told)


def pinned(root: Path) -> dict[str, str]:
    """The versions of torch and diffusers that a program's requirements name, by package; nothing where they do not."""
    found: dict[str, str] = {}
    for name in _PINS:
        for package, version in _PIN.findall(_text(root / name)):
            found.setdefault("torch" if package == "pytorch" else package, version.rstrip("."))
    return found


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _text(path: Path) -> str:
    """The beginning of a file, 256 KiB; '' where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(262_144).decode("utf-8", "replace")
    except OSError:
        return ""
