"""What a start of a web UI is asked to do, and the errors of one that fails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autotune.model.errors import AutotuneError, Interrupted
from autotune.model.flagset import SettingValue
from autotune.model.study import Failure


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """One start of a web UI.

    ``words``: all argv words, managed and kept; those about network, sharing, secrets and updates are left out of the
    start. ``run_root``: the folder in which this run gets its own folder. ``settings``: options pinned in the run's own
    copy of the settings. ``env``: variables set on top of what the start script would make; the value "" removes one.
    ``launch_file``: the file whose exported variables the process gets. ``own_script``: start through the web UI's own
    script, the words then being those that the script gives (``words`` is ignored). ``start_limit``, ``stop_limit`` and
    ``term_grace`` (how long SIGTERM is given before SIGINT, and SIGINT before SIGKILL) in seconds; ``install_limit``:
    seconds more in which its log shows that it installs or downloads something once. ``port``: try this one first; None
    takes a free one. ``in_flight``: the file that says which set runs, which the guard removes when autotune was
    killed.
    """

    root: Path
    python: Path
    words: tuple[str, ...]
    run_root: Path
    settings: tuple[tuple[str, SettingValue], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    launch_file: Path | None = None
    own_script: bool = False
    start_limit: float = 300.0
    stop_limit: float = 20.0
    term_grace: float = 1.5
    install_limit: float = 0.0
    port: int | None = None
    in_flight: Path | None = None


class Cancelled(Interrupted):
    """The start was cancelled by its caller, not by a signal."""


class LaunchFailed(AutotuneError):
    """The web UI did not come up (exit 4 when it is the user's current set).

    ``failure`` is the class of the contract, ``why`` the line that names its cause ("" where there is none),
    ``startup`` the seconds it took to fail, ``log_tail`` the last lines of its output without credentials,
    ``exit_code`` None when it had not ended by itself; ``installing``: seconds of ``startup`` in which it installed
    something.
    """

    code = 4

    def __init__(
        self,
        message: str,
        hint: str,
        *,
        failure: Failure,
        startup: float,
        log_tail: tuple[str, ...],
        exit_code: int | None,
        why: str = "",
        installing: float = 0.0,
    ) -> None:
        super().__init__(f"{message}: {why}" if why and why not in message else message, hint)
        self.failure: Failure = failure
        self.why = why
        self.startup = startup
        self.log_tail = log_tail
        self.exit_code = exit_code
        self.installing = installing
