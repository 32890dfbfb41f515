"""The command: finds the verb, loads only its code, turns every foreseeable fault into its exit code."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn, TextIO

import click

from autotune import __version__
from autotune.cli.common_options import GLOBAL_OPTIONS
from autotune.cli.examples import add_examples
from autotune.cli.output import never_fail, print_error
from autotune.cli.spoken import choose_language, translate_help
from autotune.language.translate import N_, _
from autotune.model.errors import AutotuneError, Interrupted

VERBS = ("probe", "tune", "apply", "rollback", "verify", "status", "explain", "history", "report", "card", "doctor",
         "daemon", "service", "config", "profiles", "export", "import", "replay", "dashboard", "engine", "demo",
         "shortcut", "completion", "extension", "ask")
"""Each has a module named after it (``module_of``), and in it a command NAME_command."""


def module_of(verb: str) -> str:
    """The module that holds a verb; no module can be called import."""
    return f"autotune.cli.{'import_study' if verb == 'import' else verb}"


class _Verbs(click.Group):
    """A group whose commands are imported when they are asked for: `status` must not pay for `tune`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(module_of(cmd_name))
        command: click.Command = getattr(module, f"{cmd_name}_command")
        add_examples(command, cmd_name)
        translate_help(command)
        return command


GOES_ON = N_("Nothing is lost: the same command goes on from here.")


@click.group(cls=_Verbs, params=list(GLOBAL_OPTIONS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autotune", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, /, **options: object) -> None:
    """Finds, proves and applies the launch flags that make a web UI render AnimateDiff clips fastest here.

    The usual path: probe, tune, apply; rollback puts the launch file back byte for byte.
    """
    ctx.obj = {key: value for key, value in options.items() if value not in (None, False, 0)}


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code (docs/contract.md: exit codes)."""
    try:
        return _run(arguments)
    except OSError as error:
        if not _reader_gone(error):
            raise
        # The reader of our output went away (`| head`): nobody is left to tell, neither now nor at the end.
        _mute()
        return 0
    except SystemExit:
        return 0  # click's own answer to a broken pipe


def _reader_gone(error: OSError) -> bool:
    """Whether nobody reads our output any more; Windows calls a pipe without a reader an invalid argument."""
    if error.filename is not None or error.errno not in (errno.EPIPE, errno.EINVAL):
        return False
    return error.errno == errno.EPIPE or any(map(_is_stuck, (sys.stdout, sys.stderr)))


def _is_stuck(stream: TextIO) -> bool:
    """Whether something is left to be written to the stream that cannot be."""
    try:
        stream.flush()
    except (OSError, ValueError):
        return True
    return False


def _mute() -> None:
    """Sends what finds no reader nowhere, so that writing it does not fail when the program ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in filter(_is_stuck, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())


def _run(arguments: Sequence[str]) -> int:
    as_json = "--json" in arguments
    never_fail()
    choose_language(arguments, cli)
    try:
        result = cli.main(args=list(arguments), prog_name="autotune", standalone_mode=False)
    except AutotuneError as error:
        return print_error(error.code, error.message, error.hint, as_json)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "autotune"
        return print_error(2, error.format_message(), _("See `{command} --help`.").format(command=where), as_json)
    except click.ClickException as error:
        return print_error(2, error.format_message(), "", as_json)
    except (KeyboardInterrupt, click.Abort):
        return print_error(130, _("interrupted"), _(GOES_ON), as_json)
    except PermissionError as error:
        # Looking at a path below a folder that is closed to us raises, wherever it happens to be looked at.
        hint = _("Run autotune as the user who owns it, or open it for this user.")
        message = _("{path}: permission denied").format(path=error.filename)
        return print_error(3, message, hint, as_json)
    except OSError as error:
        if _reader_gone(error):
            raise
        return _system_fault(error, as_json)
    return result if isinstance(result, int) else 0


FULL = (errno.ENOSPC, errno.EDQUOT)


def _system_fault(error: OSError, as_json: bool) -> int:
    """Prints what the system refused, wherever it was asked for: a path too long, a disk that is full or broken."""
    if error.filename is None and error.errno in FULL:
        # It is our output that finds no room; what is left of it must not be tried again at the end.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message = _("the result finds no room where it is written to")
        return print_error(8, message, _("Free some space."), False)
    where = f"{error.filename}: " if error.filename is not None else ""
    code = 8 if error.errno in (*FULL, errno.EROFS, errno.EIO) else 3
    hint = _("See to that path or disk, and run again.")
    return print_error(code, f"{where}{error.strerror or error}", hint, as_json)


def _on_signal(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    # One signal starts the clean-up; more of them must not tear it.
    for name in _signals():
        signal.signal(name, signal.SIG_IGN)
    raise Interrupted(_("interrupted by {signal}").format(signal=signal.Signals(number).name), _(GOES_ON))


def _signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def main() -> NoReturn:
    """Entry point of the command ``autotune``."""
    for number in _signals():
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP on purpose
            signal.signal(number, _on_signal)
    sys.exit(run(sys.argv[1:]))
