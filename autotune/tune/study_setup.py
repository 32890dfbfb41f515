"""What a study runs on: machine, web UI, sets, clips, and where trials get their folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from autotune.install.inspection import Inspection
from autotune.model.flagset import Space
from autotune.model.machine import Machine
from autotune.model.workload import Profile
from autotune.store import running_set
from autotune.store.places import Places
from autotune.store.running_set import RunningSet
from autotune.webui.face import WebUI


@dataclass(frozen=True)
class StudySetup:
    """What a study runs on; none of it changes while it runs.

    ``run_root``: where each trial gets a folder; ``in_flight``: notes which set runs, in case the machine goes down.
    """

    machine: Machine
    space: Space
    profile: Profile
    webui: WebUI
    launch_file: Path | None
    run_root: Path
    motion_module: str | None
    in_flight: RunningSet

    @classmethod
    def of(cls, install: Inspection, places: Places, profile: Profile, space: Space) -> StudySetup:
        """The setup for measuring sets of ``space`` in an inspected install."""
        windows = [one.window for one in profile.workloads if not one.is_workflow]
        return cls(
            machine=install.machine, space=space, profile=profile, webui=install.kind,
            launch_file=install.path, run_root=places.runs,
            motion_module=install.motion_module(max(windows)) if windows else None,
            in_flight=running_set.of_webui(places, install.root))


def with_workflows_read(webui: WebUI, profile: Profile) -> Profile:
    """The profile with what the web UI reads in the workflows that it names. Raises UsageProblem."""
    return replace(profile, workloads=tuple(
        webui.read_workflow(one) if one.is_workflow else one for one in profile.workloads))
