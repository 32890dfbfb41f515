"""The newer view of prompts: GET /api/jobs and what it tells of each."""

from __future__ import annotations

from collections.abc import Mapping

from autotune.engine.comfyui.prompt_queue import Item, PromptQueue
from autotune.engine.values import Json

STATES = ("pending", "in_progress", "completed", "failed", "cancelled")
ENDS = {"execution_success": "completed", "execution_error": "failed", "execution_interrupted": "cancelled"}
SORTS = {"created_at": "create_time", "execution_duration": "execution_end_time"}


def one(prompts: PromptQueue, prompt_id: str) -> dict[str, Json] | None:
    """One prompt, with its graph when it is done."""
    done = prompts.history(prompt_id).get(prompt_id)
    if done is not None:
        job = _done(prompt_id, done)
        graph, extra = done["prompt"][2], done["prompt"][3]
        return {**job, "outputs": done["outputs"], "execution_status": done["status"],
                "workflow": {"prompt": graph, "extra_data": extra}}
    return next((job for job in _live(prompts) if job["id"] == prompt_id), None)


def listed(prompts: PromptQueue, query: Mapping[str, str]) -> tuple[dict[str, Json], int]:
    """The answer to GET /api/jobs with its status: filtered, sorted and cut as the query says."""
    wanted = [word.strip().lower() for word in query.get("status", "").split(",") if word.strip()]
    wrong = [word for word in wanted if word not in STATES]
    if wrong:
        return {"error": f"Invalid status value(s): {', '.join(wrong)}. Valid values: {', '.join(STATES)}"}, 400
    by, order = query.get("sort_by", "created_at").lower(), query.get("sort_order", "desc").lower()
    if by not in SORTS:
        return {"error": "sort_by must be 'created_at' or 'execution_duration'"}, 400
    if order not in ("asc", "desc"):
        return {"error": "sort_order must be 'asc' or 'desc'"}, 400
    try:
        limit = int(query["limit"]) if "limit" in query else None
        offset = max(0, int(query.get("offset", 0)))
    except ValueError:
        return {"error": "limit must be an integer"}, 400
    if limit is not None and limit <= 0:
        return {"error": "limit must be a positive integer"}, 400
    found = [*_live(prompts), *(_done(key, value) for key, value in prompts.history().items())]
    found = [job for job in found if not wanted or job["status"] in wanted]
    found.sort(key=lambda job: job.get(SORTS[by]) or 0, reverse=order == "desc")
    shown = found[offset:] if limit is None else found[offset : offset + limit]
    return {"jobs": shown, "pagination": {"offset": offset, "limit": limit, "total": len(found),
                                          "has_more": offset + len(shown) < len(found)}}, 200


def _live(prompts: PromptQueue) -> list[dict[str, Json]]:
    running, waiting = prompts.state()
    return [*(_begun(item, "in_progress") for item in running), *(_begun(item, "pending") for item in waiting)]


def _begun(item: Item, status: str) -> dict[str, Json]:
    return {"id": item.prompt_id, "status": status, "priority": item.number,
            "create_time": item.extra.get("create_time"), "outputs_count": 0}


def _done(prompt_id: str, done: dict[str, Json]) -> dict[str, Json]:
    number, _id, _graph, extra, _outputs = done["prompt"]
    messages = dict(done["status"]["messages"])
    end = next((name for name in ENDS if name in messages), "execution_error")
    job: dict[str, Json] = {
        "id": prompt_id, "status": ENDS[end], "priority": number, "create_time": extra.get("create_time"),
        "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
        "execution_end_time": messages.get(end, {}).get("timestamp")}
    if end == "execution_error":
        job["execution_error"] = messages.get(end)
    files = [{**file, "nodeId": node, "mediaType": kind} for node, told in done["outputs"].items()
             for kind, values in told.items() for file in values if isinstance(file, dict)]
    job["outputs_count"] = len(files)
    if files:
        job["preview_output"] = files[-1]
    return job
