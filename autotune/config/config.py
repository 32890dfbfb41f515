"""The configuration file: every key with its default, its limits and what it means, in one table.

The table is what ``load`` reads by, what ``template`` documents and what ``show`` prints.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from autotune.config.staleness_rules import RULES, Action
from autotune.disk import windows_package
from autotune.disk.tomlfile import Table, TomlFile, read
from autotune.language.translate import N_, _
from autotune.model.errors import UsageProblem
from autotune.model.home_folder import expand_home

Value = Any
ReadValue = Callable[[Table, str, Value], Value]
"""Takes the table, the key and the default, and gives the key's value; raises UsageProblem (file, line, key)."""
FINGERPRINT_PARTS = tuple(name for name, _, _ in RULES)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ACTIONS = ("retune", "drift", "nothing")
_SPAN = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file: its section ("" for none) and name, its default, how a value is read, what it means."""

    section: str
    name: str
    default: Value
    read_value: ReadValue
    meaning: str


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration as values, one a key of the file (KEYS says what each means); ``file``: None without a file.

    ``hours``: spans (from, to) in minutes after midnight, empty for any time; ``triggers``: what a part of
    the fingerprint makes stale, where the user says otherwise than the built-in rules.
    """

    file: Path | None
    webui: Path | None
    profile: str
    workflow: Path | None
    objective: str
    policy: str
    first_tune: bool
    settle_seconds: float
    poll_seconds: float
    failed_starts: int
    check_after_apply: bool
    added_models: str
    watch_use: bool
    notifications: bool
    notification_sound: bool
    webui_running: str
    hours: tuple[tuple[int, int], ...]
    days: tuple[str, ...]
    idle_minutes: float
    quiet_minutes: float
    gpu_busy_percent: float
    gpu_memory_others: float
    cpu_busy_percent: float
    on_battery: bool
    max_temperature: float
    sessions_a_week: int
    minutes_a_day: float
    log_mib: float
    log_files: int
    triggers: tuple[tuple[str, Action], ...]


def _number(low: float, high: float) -> ReadValue:
    return lambda table, key, default: table.number(key, default, low, high)


def _whole(low: int, high: int) -> ReadValue:
    return lambda table, key, default: table.whole(key, default, low, high)


def _choice(*known: str) -> ReadValue:
    def read_choice(table: Table, key: str, default: Value) -> Value:
        value = table.text(key, default)
        if value not in known:
            raise table.problem(key, _("{value!r} is not known").format(value=value),
                                _("One of: {values}.").format(values=", ".join(known)))
        return value

    return read_choice


def _running(table: Table, key: str, default: Value) -> Value:
    """"wait" or "ask"; what else people may expect here is refused with the reason, not passed over."""
    value = table.text(key, default)
    if value in ("wait", "ask"):
        return value
    why = {"live": _("measuring inside your running web UI is not offered: a job that you start there would wait "
                     "behind a clip of ours, which cannot be told from yours when it has to be interrupted; a kill "
                     "would leave it with our settings; and a set is adopted on fresh starts only"),
           "restart": _("ending your web UI and starting it again is not offered: it would run inside the agent's "
                        "service, cut off from your network")}
    raise table.problem(key, why.get(value, _("{value!r} is not known").format(value=value)),
                        _('Say "ask" to be asked to close it when there is something to measure, or "wait".'))


def _folder(table: Table, key: str, default: Value) -> Path | None:
    value = table.values.get(key, default)
    if value == "":
        return None
    if not isinstance(value, str):
        raise table.problem(key, _("must be a folder, as a text"))
    return expand_home(value)


def _file(table: Table, key: str, default: Value) -> Path | None:
    value = table.values.get(key, default)
    if value == "":
        return None
    if not isinstance(value, str):
        raise table.problem(key, _("must be a file, as a text"))
    return Path(table.file.name).absolute().parent / expand_home(value)  # its place counts from this file's folder


def _words(table: Table, key: str, default: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    value = table.values.get(key, default)
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise table.problem(key, _("must be a list of texts"))
    for word in value:
        if known and word.lower() not in known:
            raise table.problem(key, _("{value!r} is not known").format(value=word),
                                _("Some of: {values}.").format(values=", ".join(known)))
    return tuple(word.lower() for word in value)


def _days(table: Table, key: str, default: list[str]) -> tuple[str, ...]:
    found = _words(table, key, default, DAYS)
    if not found:
        raise table.problem(key, _("at least one day is needed"))
    return found


def _hours(table: Table, key: str, default: list[str]) -> tuple[tuple[int, int], ...]:
    spans = []
    for word in _words(table, key, default, ()):
        match = _SPAN.fullmatch(word.strip())
        start, end = (int(match[i]) * 60 + int(match[i + 1]) for i in (1, 3)) if match else (0, 0)
        if start > 1440 or end > 1440 or start == end:
            raise table.problem(key, _("{word!r} is no span of hours").format(word=word), _('Say "22:00-07:00".'))
        spans.append((start, end))
    return tuple(spans)


KEYS = (
    Key("", "webui", "", _folder, N_("Folder of the web UI; empty: AUTOTUNE_WEBUI, then the usual places.")),
    Key("", "profile", "default", Table.text, N_("What to render: a name (`autotune profiles list`) or a file.")),
    Key("", "workflow", "", _file, N_("A workflow of yours to render in place of the profile's clips, where the web UI "
                                      "renders workflows; empty: none.")),
    Key("", "objective", "speed", _choice("speed", "vram", "balanced"), N_("speed, vram or balanced.")),
    Key("agent", "policy", "notify", _choice("notify", "apply"),
        N_("notify: say what was found and leave it to you; apply: write it, prove it, take it back if it fails.")),
    Key("agent", "first_tune", True, Table.flag, N_("Tune once by itself when this web UI was never tuned.")),
    Key("agent", "settle_seconds", 60.0, _number(0, 3600),
        N_("A change counts when nothing has moved for so long: a file being copied is one change.")),
    Key("agent", "poll_seconds", 300.0, _number(5, 86400),
        N_("Look at least this often, for what no file event tells (drivers, network drives).")),
    Key("agent", "failed_starts", 1, _whole(1, 10),
        N_("After an apply: so many starts of the web UI that end before it listens, and the flags are put back.")),
    Key("agent", "check_after_apply", True, Table.flag,
        N_("After the first good start since an apply, measure once more; policy apply takes a loss back.")),
    Key("agent", "added_models", "when_used", _choice("when_used", "at_once"),
        N_("A motion module that is added counts when_used (a tune would render with it), or at_once.")),
    Key("agent", "watch_use", True, Table.flag,
        N_("Note how long clips of your own web UI take (figures only), to say since when they are slower.")),
    Key("agent", "notifications", True, Table.flag, N_("Desktop notifications; the log has every line in any case.")),
    Key("agent", "notification_sound", False, Table.flag, N_("Desktop notifications with a sound.")),
    Key("when", "webui_running", "wait", _running,
        N_("While your web UI runs and holds the GPU: wait, or ask you (once a day) to close it and tell you when you "
           "can start it again. It is never ended, and nothing is measured inside it.")),
    Key("when", "hours", [], _hours, N_('Only in these hours, local time, e.g. ["22:00-07:00"]; empty: any time.')),
    Key("when", "days", list(DAYS), _days, N_("Only on these days (the day on which a span begins).")),
    Key("when", "idle_minutes", 10.0, _number(0, 1440),
        N_("Nobody at keyboard or mouse for so long, where the system tells; 0: do not ask.")),
    Key("when", "quiet_minutes", 5.0, _number(0, 1440), N_("No job and no busy GPU for so long.")),
    Key("when", "gpu_busy_percent", 20.0, _number(1, 100),
        N_("GPU use by others from which it counts as busy; 100: do not ask.")),
    Key("when", "gpu_memory_others", 4096.0, _number(0, 1048576), N_("GPU memory (MiB) that others may hold.")),
    Key("when", "cpu_busy_percent", 60.0, _number(1, 100), N_("The same for the CPU, on a machine without a GPU.")),
    Key("when", "on_battery", False, Table.flag, N_("Tune on battery too.")),
    Key("when", "max_temperature", 80.0, _number(20, 120), N_("Not while the GPU is hotter (°C).")),
    Key("when", "sessions_a_week", 7, _whole(0, 1000), N_("At most so many sessions in seven days.")),
    Key("when", "minutes_a_day", 120.0, _number(0, 1440), N_("At most so many minutes of GPU time a day.")),
    Key("log", "log_mib", 1.0, _number(0.01, 1000), N_("Size (MiB) at which the agent's log begins a new file.")),
    Key("log", "log_files", 3, _whole(1, 100), N_("Old log files that are kept.")),
)

_TRIGGERS = N_(
    'What a change makes stale: "retune" (tune again), "drift" (a short check) or "nothing".\n'
    "Here you can say otherwise than the built-in rules, for a part of the fingerprint (`autotune probe --json`\n"
    'shows them), or for all that begin alike: "webui_*".')


def default_path() -> Path:
    """Where the configuration file is looked for: ``autotune/config.toml`` in the platform's configuration folder."""
    import platformdirs

    usual = Path(platformdirs.user_config_dir("autotune", appauthor=False, roaming=False)) / "config.toml"
    real = windows_package.real(usual)
    return usual if usual.exists() and not real.exists() else real


def load(path: Path | None = None) -> Config:
    """Reads the configuration strictly. Without ``path`` the usual place, where an absent file means defaults.

    Raises UsageProblem (file, line, key) on unknown keys, wrong types and values out of bounds.
    """
    file = path or default_path()
    if path is None and not file.exists():
        return parse(TomlFile("", str(file)), None)
    return parse(read(file), file)


def parse(text: TomlFile, file: Path | None) -> Config:
    """A configuration from parsed TOML. Raises UsageProblem."""
    root = text.root()
    sections = list(dict.fromkeys(key.section for key in KEYS if key.section))
    root.only(*(key.name for key in KEYS if not key.section), *sections, "triggers")
    values: dict[str, Value] = {}
    for section in ["", *sections]:
        table = root.table(section) if section else root
        keys = [key for key in KEYS if key.section == section]
        if section:
            table.only(*(key.name for key in keys))
        for key in keys:
            values[key.name] = key.read_value(table, key.name, key.default)
    return Config(file=file, triggers=_triggers(root.table("triggers")), **values)


def _triggers(table: Table) -> tuple[tuple[str, Action], ...]:
    for part, action in table.values.items():
        if not any(fnmatchcase(known, part) if part.endswith("*") else known == part for known in FINGERPRINT_PARTS):
            raise table.problem(
                part, _("no part of the fingerprint is called so"),
                _("Some of: {values}.").format(values=", ".join(FINGERPRINT_PARTS)))
        if action not in ACTIONS:
            raise table.problem(part, _("{value!r} is not known").format(value=action),
                                _("One of: {values}.").format(values=", ".join(ACTIONS)))
    return tuple(table.values.items())


def template() -> str:
    """A configuration file with every key at its default, commented out, and what it means."""
    head = _("Configuration of autotune. Every key is optional; what stands here behind # is the default.")
    lines = [f"# {head}", ""]
    section = ""
    for key in KEYS:
        if key.section != section:
            section = key.section
            lines += [f"[{section}]"]
        lines += [f"# {_(key.meaning)}", f"# {key.name} = {_toml(key.default)}", ""]
    lines += ["[triggers]", *(f"# {line}" for line in _(_TRIGGERS).split("\n")), '# "webui_*" = "drift"', ""]
    return "\n".join(lines)


def show(config: Config) -> str:
    """The configuration in force, as TOML; what differs from the defaults says so."""
    head = _("from {file}").format(file=config.file) if config.file else _("no configuration file: all defaults")
    lines = [f"# {head}"]
    section = ""
    for key in KEYS:
        if key.section != section:
            section = key.section
            lines += ["", f"[{section}]"]
        value = _plain(key.name, getattr(config, key.name))
        lines.append(f"# {_(key.meaning)}")
        mark = "" if value == key.default else "  # " + _("set by you")
        lines.append(f"{key.name} = {_toml(value)}{mark}")
    lines += ["", "[triggers]", *(f"{_toml(part)} = {_toml(action)}" for part, action in config.triggers)]
    return "\n".join(lines) + "\n"


def check(path: Path | None = None) -> str:
    """A line that says that the file, and the profile it names, are sound. Raises UsageProblem where they are not."""
    from autotune.workload import profile

    file = path or default_path()
    if not file.exists():
        if path is not None:
            raise UsageProblem(_("{file}: no such file").format(file=file),
                               _("`autotune config path` tells where it is looked for."))
        return _("{file}: not there; the defaults hold").format(file=file)
    found = load(file)
    profile.with_workflow(profile.load(found.profile), found.workflow)
    return _("{file}: sound").format(file=file)


def _plain(name: str, value: Value) -> Value:
    if name in ("webui", "workflow"):
        return str(value) if value else ""
    if name == "hours":
        return [f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in value]
    return list(value) if isinstance(value, tuple) else value


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
