"""The API on files: what was rendered, uploads, lists of models, the log, and the page."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from aiohttp import web

from autotune.engine.comfyui import folder_paths, log, nodes
from autotune.engine.comfyui.server import PromptServer

TYPES = ("output", "input", "temp")
PAGE = ("<!doctype html><title>ComfyUI</title><p>The reference ComfyUI of autotune, a stand-in: it computes for "
        "real, but small, and has no page to draw with. POST /prompt takes graphs in the API format.")


def add(server: PromptServer) -> None:
    """Adds the routes, and the application under /internal."""
    server.app.add_subapp("/internal", internal())
    routes = server.routes
    routes.get("/")(_page)
    routes.get("/view")(_view)
    routes.post("/upload/image")(_upload)
    routes.post("/upload/mask")(_upload)
    routes.get("/embeddings")(_embeddings)
    routes.get("/models")(_kinds)
    routes.get("/models/{kind}")(_models)
    routes.get("/extensions")(_extensions)
    routes.get("/users")(_users)
    routes.get("/settings")(_nothing)
    routes.get("/i18n")(_nothing)
    routes.get("/userdata")(_userdata)
    routes.get("/api/assets")(_assets)
    for name, folder in nodes.EXTENSION_WEB_DIRS.items():
        server.app.add_routes([web.static(f"/extensions/{name}", folder)])


def internal() -> web.Application:
    """The application under /internal: the log, folders, names of files."""
    app = web.Application()
    app.router.add_get("/logs", _log)
    app.router.add_get("/logs/raw", _raw_log)
    app.router.add_patch("/logs/subscribe", _done)
    app.router.add_get("/folder_paths", _folders)
    app.router.add_get("/files/{kind}", _files)
    return app


async def _page(_request: web.Request) -> web.Response:
    headers = {"Cache-Control": "no-store, must-revalidate", "Pragma": "no-cache", "Expires": "0"}
    return web.Response(text=PAGE, content_type="text/html", headers=headers)


async def _nothing(_request: web.Request) -> web.Response:
    return web.json_response({})


async def _done(_request: web.Request) -> web.Response:
    return web.Response(status=200)


async def _users(_request: web.Request) -> web.Response:
    return web.json_response({"storage": "server", "migrated": True})


async def _userdata(request: web.Request) -> web.Response:
    if not request.rel_url.query.get("dir"):
        return web.Response(status=400, text="Directory not provided")
    return web.json_response([], status=404)


async def _assets(_request: web.Request) -> web.Response:
    return web.json_response({"error": {
        "code": "SERVICE_DISABLED", "details": {}, "message":
        "Assets system is disabled. Start the server with --enable-assets to use this feature."}}, status=503)


async def _embeddings(_request: web.Request) -> web.Response:
    return web.json_response([str(Path(name).with_suffix("")) for name in folder_paths.get_filename_list("embeddings")])


async def _kinds(_request: web.Request) -> web.Response:
    return web.json_response(list(folder_paths.folder_names_and_paths))


async def _models(request: web.Request) -> web.Response:
    kind = request.match_info["kind"]
    if kind not in folder_paths.folder_names_and_paths:
        return web.Response(status=404)
    return web.json_response(folder_paths.get_filename_list(kind))


async def _extensions(_request: web.Request) -> web.Response:
    return web.json_response([f"/extensions/{name}/{path.relative_to(folder).as_posix()}"
                              for name, folder in nodes.EXTENSION_WEB_DIRS.items()
                              for path in sorted(Path(folder).rglob("*.js"))])


async def _log(_request: web.Request) -> web.Response:
    return web.json_response("".join(f"{entry['t']} - {entry['m']}" for entry in list(log.entries)))


async def _raw_log(_request: web.Request) -> web.Response:
    return web.json_response({"entries": list(log.entries), "size": {"cols": 80, "rows": 24}})


async def _folders(_request: web.Request) -> web.Response:
    return web.json_response({kind: folders for kind, (folders, _) in folder_paths.folder_names_and_paths.items()})


async def _files(request: web.Request) -> web.Response:
    kind = request.match_info["kind"]
    if kind not in TYPES:
        return web.json_response({"error": "Invalid directory type"}, status=400)
    folder = Path(str(folder_paths.get_directory_by_type(kind)))
    found = sorted((path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")),
                   key=lambda path: -path.stat().st_mtime)
    return web.json_response([f"{path.name} [{kind}]" for path in found])


async def _view(request: web.Request) -> web.StreamResponse:
    """GET /view?filename=&type=&subfolder=: a file of output, input or temp."""
    query = request.rel_url.query
    name = query.get("filename")
    if name is None:
        return web.Response(status=404)
    kind = query.get("type", "output")
    folder = folder_paths.get_directory_by_type(kind)
    if not name or name.startswith("/") or ".." in name or folder is None:
        return web.Response(status=400)
    inside = (Path(folder) / query.get("subfolder", "")).resolve()
    if not inside.is_relative_to(Path(folder).resolve()):
        return web.Response(status=403)
    path = inside / Path(name).name
    if not path.is_file():
        return web.Response(status=404)
    guessed = mimetypes.guess_type(path.name)[0] or ("image/webp" if path.suffix == ".webp" else None)
    return web.FileResponse(path, headers={"Content-Disposition": f'filename="{path.name}"',
                                           "Content-Type": guessed or "application/octet-stream"})


async def _upload(request: web.Request) -> web.Response:
    """POST /upload/image: a file for the input folder (or the type named), under another name where it is taken."""
    form = await request.post()
    sent = form.get("image")
    if not isinstance(sent, web.FileField) or not sent.filename:
        return web.Response(status=400)
    kind, inside = str(form.get("type") or "input"), str(form.get("subfolder") or "")
    folder = Path(str(folder_paths.get_directory_by_type(kind)))
    path = (folder / inside / sent.filename).resolve()
    if kind not in TYPES or not path.is_relative_to(folder.resolve()):
        return web.Response(status=400)
    data = sent.file.read()
    path.parent.mkdir(parents=True, exist_ok=True)
    if str(form.get("overwrite", "")) not in ("true", "1"):
        stem, number = path.stem, 1
        while path.exists() and path.read_bytes() != data:
            path = path.with_name(f"{stem} ({number}){path.suffix}")
            number += 1
    path.write_bytes(data)
    return web.json_response({"name": path.name, "subfolder": inside, "type": kind})
