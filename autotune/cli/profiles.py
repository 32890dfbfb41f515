"""`autotune profiles list | show | check`: workloads and search spaces."""

from __future__ import annotations

from pathlib import Path

import click

from autotune.cli.common_options import CommonOptions, verb
from autotune.language.translate import _
from autotune.model.workload import Profile
from autotune.report.words import plural
from autotune.workload import profile as profiles


@click.group("profiles")
def profiles_command() -> None:
    """Profiles: what to render, what may vary, how sure to be."""


@verb("list", profiles_command)
def _list(common: CommonOptions) -> None:
    """Names the shipped profiles."""
    loaded = [profiles.load(name) for name in profiles.shipped_profiles()]
    document = {"profiles": [profiles.to_json(one) for one in loaded]}
    common.print_result("profiles", document, "\n".join(_line(one) for one in loaded), wraps=True)


@verb("show", profiles_command)
@click.argument("name")
def _show(common: CommonOptions, name: str) -> None:
    """Shows one profile, by name or file."""
    loaded = profiles.load(name)
    text = profiles.profile_file(name).read_text(encoding="utf-8-sig")
    common.print_result("profiles", {"profiles": [profiles.to_json(loaded)]}, text)


@verb("check", profiles_command)
@click.argument("name")
def _check(common: CommonOptions, name: str) -> None:
    """Checks a profile; a mistake is named with file, line and key (exit 2)."""
    loaded = profiles.load(name)
    text = _("{file}: sound").format(file=profiles.profile_file(name)) + f"\n{_line(loaded)}"
    common.print_result("profiles", {"profiles": [profiles.to_json(loaded)], "ok": True}, text)


def _line(profile: Profile) -> str:
    clips = ", ".join(
        _("workflow {name}").format(name=Path(one.workflow or "").name) if one.is_workflow else
        _("{size}, context {context}, {steps}").format(
            size=f"{one.width}x{one.height}x{one.frames}", context=one.window, steps=plural(one.steps, "step"))
        for one in profile.workloads
    )
    varies = ", ".join(f"{name} ({len(levels)})" for name, levels in profile.search.dimensions)
    return _("{name}: {clips}; varies {varies}; budget {minutes:g} min").format(
        name=profile.name, clips=clips, varies=varies or _("nothing"), minutes=profile.minutes)
