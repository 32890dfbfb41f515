"""The page with the tabs of extensions, drawn by gradio where that is installed, put together as A1111 does it.

It has a first tab that says what this web UI is. Without gradio, or without a tab of an extension, there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from autotune.engine import extensions

if TYPE_CHECKING:
    from autotune.engine.webui import ReferenceWebUI

FIRST = ("<p>This is the reference web UI of autotune: a small one that computes for real, to try autotune on. It has "
         "no page to draw with. <code>extensions/*/scripts/*.py</code> are loaded with a small package <code>modules"
         "</code> that stands for that of AUTOMATIC1111: callbacks, flags and options.</p>")


def add(ui: ReferenceWebUI, app: Starlette) -> None:
    """Has ``app`` answer "/" with the page, and tells extensions that the server has its application."""
    if "modules.script_callbacks" not in sys.modules:
        return
    from autotune.engine.modules import script_callbacks

    tabs = [] if ui.flags.nowebui else script_callbacks.ui_tabs_callback()
    if not tabs:
        script_callbacks.app_started_callback(None, app)
        return
    demo = _demo(ui, tabs)
    page = _application(ui, demo)
    app.router.routes[:] = [one for one in app.router.routes if not (isinstance(one, Route) and one.path == "/")]
    app.router.routes.append(Mount("/", app=page))
    script_callbacks.app_started_callback(demo, page)


def _demo(ui: ReferenceWebUI, tabs: list[tuple[Any, str, str]]) -> Any:  # noqa: ANN401 - gradio's own class
    import gradio as gr

    with gr.Blocks(analytics_enabled=False, title="Stable Diffusion") as demo, gr.Tabs(elem_id="tabs"):
        with gr.TabItem("reference", elem_id="tab_reference"):
            gr.HTML(FIRST)
        for tab, title, name in tabs:
            with gr.TabItem(title, id=name, elem_id=f"tab_{name}"):
                tab.render()
    demo.allowed_paths = [str(ui.data)]
    users = [pair.strip() for pair in (ui.flags.gradio_auth or "").strip('"').split(",") if pair.strip()]
    if users:
        demo.auth = [tuple(pair.split(":")) for pair in users]
        demo.auth_message = None
    return demo


def _application(ui: ReferenceWebUI, demo: Any) -> Any:  # noqa: ANN401 - gradio's own class
    """gradio's application with the scripts and styles of extensions in its head, and without its open CORS."""
    import gradio as gr
    from gradio.routes import App, templates

    head = _head(ui)
    plain = templates.TemplateResponse

    def with_head(*words: Any, **more: Any) -> Any:  # noqa: ANN401 - starlette's own
        answer = plain(*words, **more)
        answer.body = answer.body.replace(b"</head>", head.encode("utf-8") + b"</head>")
        answer.init_headers()
        return answer

    gr.routes.templates.TemplateResponse = with_head
    demo.dev_mode = False
    demo.config = demo.get_config_file()
    page = App.create_app(demo)
    page.user_middleware = [one for one in page.user_middleware if "CORS" not in one.cls.__name__]
    return page


def _head(ui: ReferenceWebUI) -> str:
    """Elements that load what extensions have for the page, by gradio's own route for files."""
    scripts, styles = [], []
    for folder in extensions.folders(ui):
        scripts += sorted((folder / "javascript").glob("*.js"))
        styles += sorted(folder.glob("style.css"))
    return "".join([*(f'<script type="text/javascript" src="{_address(path)}"></script>\n' for path in scripts),
                    *(f'<link rel="stylesheet" property="stylesheet" href="{_address(path)}">\n' for path in styles)])


def _address(path: Path) -> str:
    return f"file={path.absolute().as_posix()}?{path.stat().st_mtime}"
