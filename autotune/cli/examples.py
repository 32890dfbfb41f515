"""The examples at the end of each verb's `-h`: one to three command lines that work, and what each is for."""

from __future__ import annotations

import click

from autotune.language.translate import _

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "probe": (
        ("autotune probe", "the web UI in a usual place"),
        ("autotune --webui my-webui probe", "the one in this folder"),
        ("autotune probe --all", "every set that is tried or left out")),
    "tune": (
        ("autotune tune", "or goes on where it was ended"),
        ("autotune tune --profile tiny --budget 10m", "small clips, 10 minutes"),
        ("autotune tune --workflow my_api.json", "ComfyUI: a graph of your own")),
    "apply": (
        ("autotune apply --dry-run", "shows the change, writes nothing"),
        ("autotune apply", "shows the change and asks"),
        ("autotune apply --yes --no-start", "no question, no start to prove it")),
    "rollback": (
        ("autotune rollback", "back to the file before the newest apply"),
        ("autotune rollback --to 0001", "further: `autotune history` has the ids")),
    "verify": (
        ("autotune verify --no-start", "starts no web UI for it"),
        ("autotune verify --measure --budget 10m", "does the set in use still gain?")),
    "status": (("autotune status", ""), ("autotune status --json", "for a script")),
    "explain": (
        ("autotune explain", "since when, what changed then, what gives it back"),
        ("autotune explain --json", "every use that was recorded")),
    "history": (("autotune history", ""), ("autotune history --json", "every key of every record")),
    "report": (
        ("autotune report", "on the newest tune, beside its study"),
        ("autotune report -o tune.html", "into this folder")),
    "card": (
        ("autotune card -o card.png", "on the newest tune, into this folder"),
        ("autotune card --markdown", "a table to paste"),
        ("autotune card study.json", "on one that was exported")),
    "doctor": (("autotune doctor", ""), ("autotune doctor --json", "what an issue report asks for")),
    "daemon": (
        ("autotune daemon", "until Ctrl-C"),
        ("autotune daemon --once", "one pass, for a timer")),
    "service": (("autotune service install", ""), ("autotune service status", "")),
    "service install": (
        ("autotune service install", "the agent, from every login on"),
        ("autotune service install --timer", "one pass now and then instead")),
    "service uninstall": (("autotune service uninstall", "the records stay"),),
    "service status": (("autotune service status", ""),),
    "config": (("autotune config show", "every key, explained"), ("autotune config check", "")),
    "config path": (("autotune config path", ""),),
    "config show": (("autotune config show", "also a file to begin with"),),
    "config check": (
        ("autotune config check", "the file in its usual place"),
        ("autotune config check --config mine.toml", "another one")),
    "profiles": (("autotune profiles list", ""), ("autotune profiles show default", "a file to begin with")),
    "profiles list": (("autotune profiles list", ""),),
    "profiles show": (("autotune profiles show default", "as a file to begin with"),),
    "profiles check": (
        ("autotune profiles check tiny", "one that came along"),
        ("autotune profiles check mine.toml", "one of your own")),
    "export": (("autotune export -o study.json", "the newest study"), ("autotune export", "to the screen")),
    "import": (("autotune import study.json", "what `autotune export` wrote"),),
    "replay": (
        ("autotune replay", "the newest study"),
        ("autotune replay study.json", "one that was exported")),
    "dashboard": (
        ("autotune dashboard", "then open the address that it prints"),
        ("autotune dashboard --port 8090", "where 8080 is taken")),
    "engine": (("autotune engine create small-webui", "lays one out in that folder"),),
    "engine create": (
        ("autotune engine create small-webui", "small enough for a CPU"),
        ("autotune engine create sized --size sd15", "of a real one's size"),
        ("autotune engine create small --flavour comfyui", "a stand-in for ComfyUI")),
    "demo": (("autotune demo", ""), ("autotune demo --minutes 5 --report demo.html", "longer, its page here")),
    "shortcut": (
        ("autotune shortcut", "on the desktop"),
        ("autotune shortcut .", "in this folder")),
    "extension": (("autotune extension install", ""), ("autotune extension uninstall", "")),
    "extension install": (
        ("autotune extension install", "then restart the web UI"),
        ("autotune extension install --switches", "and switches of PyTorch")),
    "extension uninstall": (("autotune extension uninstall", "leaves no trace"),),
    "extension show": (("autotune extension show", "what the tab says, in the terminal"),),
    "extension status": (("autotune extension status", ""),),
    "ask": (("autotune ask tune", "begins when the web UI is closed"), ("autotune ask cancel", "")),
    "ask tune": (
        ("autotune ask tune", "begins when the web UI is closed"),
        ("autotune ask tune --when away", "when nobody uses this machine")),
    "ask cancel": (("autotune ask cancel", "what was measured is kept"),),
    "completion": (
        ("autotune completion bash", "its end says where the line for it goes"),
        ("autotune completion powershell", "")),
}
"""By verb, or group and verb: (command line, what it is for)."""


def add_examples(command: click.Command, path: str) -> None:
    """Gives a verb's help its examples, and those of the verbs in it; ``path``: how it is called after `autotune`."""
    command.epilog = epilog(path)
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            add_examples(inner, f"{path} {name}")


def epilog(path: str) -> str:
    """The examples of one verb as click takes them: a paragraph that is not wrapped anew."""
    wide = max(len(line) for line, _ in EXAMPLES[path])
    lines = [f"  {line:<{wide}}  {_(words)}".rstrip() for line, words in EXAMPLES[path]]
    return "\n".join(["\b", _("Examples:"), *lines])
