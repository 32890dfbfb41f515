"""Where autotune keeps its own files: the layout of the state folder."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from autotune.disk import windows_package
from autotune.language.translate import N_, _
from autotune.model.errors import StateDamaged, UsageProblem
from autotune.model.home_folder import expand_home

ENVIRONMENT = "AUTOTUNE_STATE_DIR"
NAME_ONE = N_("Name a folder for autotune's records with --state-dir.")


@dataclass(frozen=True, slots=True)
class Places:
    """All paths under one state folder. Nothing is created by asking for one."""

    root: Path

    @property
    def lock(self) -> Path:
        """One lock for everything that measures or writes."""
        return self.root / "lock"

    @property
    def runs(self) -> Path:
        """Folders of running web UIs; empty when none runs."""
        return self.root / "runs"

    @property
    def optuna(self) -> Path:
        """SQLite file with all studies, for Optuna's own tools."""
        return self.root / "optuna.db"

    @property
    def daemon(self) -> Path:
        """The agent's own folder."""
        return self.root / "daemon"

    def require_outside(self, webui: Path) -> None:
        """Raises UsageProblem where the state folder lies in the web UI's: nothing of ours is to be left there.

        For verbs that begin something; what is recorded there already can be shown and rolled back.
        """
        root, ours = Path(os.path.realpath(webui)), Path(os.path.realpath(self.root))
        if root == ours or root in ours.parents:
            raise UsageProblem(_("{root}: the state folder lies in the web UI's folder {webui}").format(
                                   root=self.root, webui=webui), _(NAME_ONE))

    def install(self, webui: Path) -> Path:
        """Folder of one web UI, named after its folder and a hash of its real path."""
        # Not Path.resolve, which raises on links that go round in circles. A name that is no UTF-8 has lone surrogates.
        resolved = os.path.realpath(webui)
        real = resolved.encode("utf-8", "surrogatepass")
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(resolved).name)[:40] or "webui"
        return self.root / "installs" / f"{name}-{hashlib.sha256(real).hexdigest()[:10]}"

    def wishes(self, webui: Path) -> Path:
        """Folder of what the user asked the agent for."""
        return self.install(webui) / "asked"

    def studies(self, webui: Path) -> Path:
        """Folder of all studies of one web UI."""
        return self.install(webui) / "studies"

    def checks(self, webui: Path) -> Path:
        """Folder of all checks of the set in use, kept apart from the tunes."""
        return self.install(webui) / "checks"

    def checkpoints(self, webui: Path) -> Path:
        """Folder of the launch file's checkpoints."""
        return self.install(webui) / "checkpoints"

    def use(self, webui: Path) -> Path:
        """Journal of how the user's own web UI was used: its starts and clips."""
        return self.install(webui) / "use.jsonl"

    def told(self, webui: Path) -> Path:
        """What the tab tells of the owner's clips: a line each, soon read into ``use``."""
        return self.install(webui) / "told.jsonl"

    def history(self, webui: Path) -> Path:
        """Journal of every tune, apply and rollback."""
        return self.install(webui) / "history.jsonl"


def state_dir(option: Path | None) -> Places:
    """The state folder: the option, else AUTOTUNE_STATE_DIR, else the platform's own.

    Raises UsageProblem (no such home folder, an impossible name), StateDamaged (it is a file).
    """
    if option is None and os.environ.get(ENVIRONMENT):
        option = Path(os.environ[ENVIRONMENT])
    if option is None:
        import platformdirs

        option = Path(platformdirs.user_state_dir("autotune", appauthor=False))
    root = expand_home(option)
    if str(root).startswith("~"):
        raise UsageProblem(_("{root}: whose home folder is that?").format(root=root), _(NAME_ONE))
    root = windows_package.real(root.absolute())
    try:
        taken = stat.S_ISREG(root.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        taken = False
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{root}: {getattr(error, 'strerror', None) or error}", _(NAME_ONE)) from None
    if taken:
        raise StateDamaged(_("{root}: the state folder is a file").format(root=root), _(NAME_ONE))
    return Places(root)
