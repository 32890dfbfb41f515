"""Faults that a user can foresee, each with its documented exit code (docs/contract.md: exit codes)."""

from __future__ import annotations


class AutotuneError(Exception):
    """An error that can be foreseen: one line of cause, one line of advice and an exit code; never shown as a
    traceback."""

    code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageProblem(AutotuneError):
    """Wrong words on the command line, in a profile or in the configuration (exit 2)."""

    code = 2


class NothingToWorkOn(AutotuneError):
    """No web UI, a broken install, a missing extension or motion module (exit 3)."""

    code = 3


class BaselineFailed(AutotuneError):
    """The web UI does not start or render with the flags it has now (exit 4)."""

    code = 4


class Refused(AutotuneError):
    """This launch file cannot be edited safely; the hint says what to paste (exit 5)."""

    code = 5


class Busy(AutotuneError):
    """Another autotune, or the user's own job, is at work (exit 6)."""

    code = 6


class StateDamaged(AutotuneError):
    """Our own records are damaged beyond repair, or cannot be written (exit 8)."""

    code = 8


class Interrupted(AutotuneError):
    """Ctrl-C, SIGTERM or a user who came back; nothing is lost (exit 130)."""

    code = 130
