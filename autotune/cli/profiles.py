"""`autotune profiles list | show | check`: workloads and search spaces."""

from __future__ import annotations

import click

from autotune.cli.common_options import Settings, verb
from autotune.cli.output import print_json, print_text
from autotune.model.workload import Profile
from autotune.workload import profile as profiles


@click.group("profiles")
def profiles_command() -> None:
    """Profiles: what to render, what may vary, how sure to be."""


@verb("list")
def _list(settings: Settings) -> None:
    """Names the shipped profiles."""
    loaded = [profiles.load(name) for name in profiles.shipped_profiles()]
    if settings.as_json:
        print_json("profiles", {"profiles": [profiles.to_json(one) for one in loaded]})
    else:
        print_text("\n".join(_line(one) for one in loaded))


@verb("show")
@click.argument("name")
def _show(settings: Settings, name: str) -> None:
    """Shows one profile, by name or file."""
    loaded = profiles.load(name)
    if settings.as_json:
        print_json("profiles", {"profiles": [profiles.to_json(loaded)]})
    else:
        print_text(profiles.profile_file(name).read_text(encoding="utf-8-sig"))


@verb("check")
@click.argument("name")
def _check(settings: Settings, name: str) -> None:
    """Checks a profile; a mistake is named with file, line and key (exit 2)."""
    loaded = profiles.load(name)
    if settings.as_json:
        print_json("profiles", {"profiles": [profiles.to_json(loaded)], "ok": True})
    else:
        print_text(f"{profiles.profile_file(name)}: sound\n{_line(loaded)}")


def _line(profile: Profile) -> str:
    clips = ", ".join(
        f"{one.width}x{one.height}x{one.frames}, context {one.window}, {one.steps} steps" for one in profile.workloads
    )
    varies = ", ".join(f"{name} ({len(levels)})" for name, levels in profile.search.dimensions)
    return f"{profile.name}: {clips}; varies {varies or 'nothing'}; budget {profile.minutes:g} min"


for _command in (_list, _show, _check):
    profiles_command.add_command(_command)
