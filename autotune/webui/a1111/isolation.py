"""Keeps a trial apart: flags that it is not given, and its own copies of settings files (docs/webuis.md, "Launching").

Left out of every trial's words: network, sharing, authentication, TLS, CORS, subpath, theme and browser
flags; freezing of settings (it would bar live switches); updates and reinstalls; the user's own settings
files, of which the trial gets copies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from autotune.model.flagset import SettingValue
from autotune.webui.a1111.install import settings_files
from autotune.webui.face import Credentials

STRIPPED: dict[str, int] = {
    # network and sharing
    "--listen": 0, "--port": 1, "--server-name": 1, "--share": 0, "--ngrok": 1, "--ngrok-region": 1,
    "--ngrok-options": 1, "--subpath": 1, "--timeout-keep-alive": 1, "--add-stop-route": 0,
    # tunnels of the sd-webui-tunnels extension
    "--cloudflared": 0, "--localhostrun": 0, "--remotemoe": 0, "--jprq": 1, "--bore": 0, "--tunnel-webhook": 1,
    "--multiple": 0,
    # authentication and the API
    "--api": 0, "--api-auth": 1, "--api-log": 0, "--api-server-stop": 0, "--nowebui": 0,
    "--gradio-auth": 1, "--gradio-auth-path": 1, "--gradio-allowed-path": 1, "--gradio-debug": 0,
    "--enable-insecure-extension-access": 0,
    # TLS and CORS
    "--tls-keyfile": 1, "--tls-certfile": 1, "--disable-tls-verify": 0, "--self-sign": 0,
    "--cors-allow-origins": 1, "--cors-allow-origins-regex": 1,
    # page and browser
    "--theme": 1, "--autolaunch": 0, "--gradio-queue": 0, "--no-gradio-queue": 0,
    # settings: the trial has copies, and must be able to change them
    "--ui-settings-file": 1, "--ui-config-file": 1, "--no-prompt-history": 0, "--freeze-settings": 0,
    "--freeze-settings-in-sections": 1, "--freeze-specific-settings": 1,
    # would change the install, or print prompts
    "--update-all-extensions": 0, "--update-check": 0, "--reinstall-xformers": 0, "--reinstall-torch": 0,
    "--enable-console-prompts": 0,
}
"""Flag -> how many values follow it."""

SHORTEST = 5
"""Characters of the shortest abbreviation: a shorter one ("--n") could mean other flags, and argparse refuses it."""

PINNED: dict[str, SettingValue] = {
    "live_previews_enable": False,  # a preview is decoded on the GPU, in the measured time
    "samples_save": False, "grid_save": False, "save_write_log_csv": False,
    "save_images_before_highres_fix": False, "auto_launch_browser": "Disable", "notification_audio": False,
    "show_progress_every_n_steps": -1, "clean_temp_dir_at_start": False,
}
"""Options of every trial. Except for previews, none of them changes what is computed."""

OUTDIRS = (
    "outdir_txt2img_samples", "outdir_img2img_samples", "outdir_extras_samples", "outdir_txt2img_grids",
    "outdir_img2img_grids", "outdir_save", "outdir_init_images",
)


def stripped_flag(word: str) -> str | None:
    """The left-out flag that an argv word names, abbreviated or as ``--flag=value`` too; else None."""
    name = word.split("=", 1)[0]
    if name in STRIPPED:
        return name
    if not name.startswith("--") or len(name) < SHORTEST:
        return None
    # argparse takes abbreviations. A word that begins one of these flags and got the user's own web UI
    # started must mean it, unless a flag of exactly that name exists; --no-half and friends begin none.
    return next((flag for flag in STRIPPED if flag.startswith(name)), None)


def trial_words(kept: Sequence[str]) -> tuple[str, ...]:
    """The words of the user's that a trial is given, order kept: none about network or secrets."""
    out: list[str] = []
    skip = 0
    for word in kept:
        if skip:
            skip -= 1
            continue
        flag = stripped_flag(word)
        if flag is None:
            out.append(word)
        elif "=" not in word:
            skip = STRIPPED[flag]
    return tuple(out)


def own_words(folder: Path, port: int, credentials: Credentials) -> tuple[str, ...]:
    """The words that make a start a trial of ours: API only, loopback, own port, credentials and files."""
    return (
        "--nowebui", "--api", "--server-name", "127.0.0.1", "--port", str(port),
        "--api-auth", f"{credentials.user}:{credentials.password}",
        "--ui-settings-file", str(folder / "config.json"), "--ui-config-file", str(folder / "ui-config.json"),
        "--no-prompt-history",
    )


def write_settings(
    folder: Path, root: Path, words: Sequence[str], settings: Sequence[tuple[str, SettingValue]]
) -> bool:
    """Writes the run's copies of config.json (pinned options, own outputs folders) and ui-config.json.

    ``words`` are the user's, to find the originals. False when the user's config.json could not be read as
    JSON: the copy then holds the pinned options only, as the web UI would begin with none. Raises OSError
    when the folder cannot be written.
    """
    config_file, ui_file = settings_files(root, words)
    readable = True
    config: dict[str, object] = {}
    try:
        loaded = json.loads(config_file.read_text(encoding="utf-8-sig"))
        config = loaded if isinstance(loaded, dict) else {}
        readable = isinstance(loaded, dict)
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        readable = False
    outputs = folder / "outputs"
    for part in (outputs, folder / "tmp"):
        part.mkdir(exist_ok=True)
    config.update(PINNED)
    config.update({"outdir_samples": "", "outdir_grids": "", "temp_dir": str(folder / "tmp")})
    config.update({name: str(outputs / name) for name in OUTDIRS})
    config.update(dict(settings))
    (folder / "config.json").write_text(json.dumps(config, indent=4), encoding="utf-8")
    try:
        (folder / "ui-config.json").write_bytes(ui_file.read_bytes())
    except OSError:
        (folder / "ui-config.json").write_text("{}", encoding="utf-8")
    return readable
