"""The tab of autotune in the web UI's page. Installed by `autotune extension install`; says and does nothing by itself.

What it shows is read from autotune by a child process, and only while somebody looks at the tab. It registers two
callbacks and loads nothing that the web UI has not loaded already.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from modules import script_callbacks

FOLDER = Path(__file__).resolve().parent.parent
TRIAL = "AUTOTUNE_RUN"
"""Set in the environment of a web UI that autotune itself started to measure it: the tab keeps out of that."""


def on_ui_tabs() -> list[tuple[Any, str, str]]:
    """One tab with an empty place, which the script in javascript/ fills: nothing in it is saved by the web UI."""
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as tab:
        gr.HTML('<div id="autotune_tab_place"></div>')
    return [(tab, "autotune", "autotune_tab")]


def on_app_started(demo: Any, app: Any) -> None:
    """Adds the tab's routes, and keeps the note with its paths from being served as a file."""
    if demo is None:  # the API alone, without a page
        return
    from modules import shared

    flags = shared.cmd_opts
    tunnelled = any(getattr(flags, name, None) for name in guard.TUNNELS)
    app.router.routes[:0] = Tab(app, Autotune.of_folder(FOLDER), tunnelled).routes()
    demo.blocked_paths = [*(getattr(demo, "blocked_paths", None) or []), str(FOLDER / "autotune.json")]


if TRIAL not in os.environ:
    # Now, as the web UI has the extension's folder among those of modules only while it loads this file.
    from sd_webui_autotune import guard
    from sd_webui_autotune.commands import Autotune
    from sd_webui_autotune.routes import Tab

    script_callbacks.on_ui_tabs(on_ui_tabs)
    script_callbacks.on_app_started(on_app_started)
