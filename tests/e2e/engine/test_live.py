"""One real server: API shapes, clips, live switching, options, credentials, silent failures."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import reference
from tests.e2e.engine.live import Live, body, colours, frames_of, info_of, serving
from tests.engine.recorded import CMD_FLAGS, INFO, OPTIONS, PARAMETERS
from tests.waiting import wait_for

pytest.importorskip("torch")
pytest.importorskip("diffusers")

AUTH = ("user", "pass-word")
SDP = "sdp - scaled dot product"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.copy(tmp_path_factory.mktemp("live") / "webui")


@pytest.fixture(scope="module")
def live(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    log = tmp_path_factory.mktemp("log") / "log"
    with serving(root, log, "--nowebui", "--api-server-stop", "--opt-sdp-attention", "--share", auth=AUTH) as found:
        yield found


def test_the_first_clip_loads_the_motion_module(live: Live, root: Path) -> None:
    assert "Loading motion module" not in live.log()
    answer = live.post("txt2img", body(frames=4, request_id="abc"))
    frames = frames_of(answer)
    assert [f.size for f in frames] == [(64, 64)] * 4
    assert len({f.tobytes() for f in frames}) == 4
    assert len(colours(frames)) > 100
    assert 'AnimateDiff: "model: mm_sd15_v2.safetensors' in info_of(answer)["infotexts"][0]
    assert "Loading motion module" in live.log()
    files = [p for p in (root / "outputs").rglob("*") if p.is_file()]
    assert [p.relative_to(root / "outputs" / "txt2img-images" / "AnimateDiff").parts[1] for p in files] == [
        "00000-1-abc.gif"]
    assert (root / "params.txt").read_text(encoding="utf-8").startswith("a cat\nNegative prompt: bad\nSteps: 1")


def test_answers_have_a1111s_keys(live: Live) -> None:
    answer = live.post("txt2img", body())
    assert sorted(answer.json()) == ["images", "info", "parameters"]
    assert list(answer.json()["parameters"]) and set(answer.json()["parameters"]) == set(PARAMETERS)
    assert list(info_of(answer)) == INFO
    assert list(live.get("cmd-flags").json()) == CMD_FLAGS
    assert set(live.get("options").json()) == set(OPTIONS)
    assert float(answer.headers["x-process-time"]) > 0


def test_lists_and_states(live: Live) -> None:
    assert live.get("memory").json()["cuda"] == {"error": "unavailable"}
    assert set(live.get("memory").json()["ram"]) == {"free", "used", "total"}
    state = live.get("progress").json()
    assert set(state) == {"progress", "eta_relative", "state", "current_image", "textinfo"}
    assert set(state["state"]) == {"skipped", "interrupted", "stopping_generation", "job", "job_count",
                                   "job_timestamp", "job_no", "sampling_step", "sampling_steps"}
    (model,) = live.get("sd-models").json()
    assert set(model) == {"title", "model_name", "hash", "sha256", "filename", "config"}
    assert live.get("options").json()["sd_model_checkpoint"] == model["title"]
    assert {"name": "Euler a", "aliases": ["k_euler_a", "k_euler_ancestral"], "options": {"uses_ensd": "True"}} in \
        live.get("samplers").json()
    assert live.get("schedulers").json()[0]["label"] == "Automatic"
    assert "animatediff" in live.get("scripts").json()["txt2img"]
    assert live.get("extensions").json()[0]["name"] == "sd-webui-animatediff"
    flags = live.get("cmd-flags").json()
    assert flags["port"] == str(live.port)
    assert flags["api_auth"] == ":".join(AUTH)  # in clear, as in A1111
    assert flags["opt_sdp_attention"] is True


def test_the_log_names_what_happens_and_hides_the_password(live: Live) -> None:
    assert "Launching API server with arguments: --api --port" in live.log()
    assert "Applying attention optimization: sdp... done." in live.log()
    assert "--share does nothing here" in live.log()
    assert AUTH[1] not in live.log()


def test_credentials(live: Live) -> None:
    url = live.url("/sdapi/v1/options")
    for auth, words in ((None, "Not authenticated"), (("user", "no"), "Incorrect username or password"),
                        (("who", AUTH[1]), "Incorrect username or password")):
        refused = requests.get(url, auth=auth, timeout=30)
        assert refused.status_code == 401
        assert refused.json() == {"error": "HTTPException", "detail": words, "body": "", "errors": ""}
        assert "www-authenticate" not in refused.headers
    assert requests.get(live.url("/docs"), timeout=30).status_code == 200
    assert "/sdapi/v1/txt2img" in requests.get(live.url("/openapi.json"), timeout=30).json()["paths"]
    assert requests.get(live.url("/internal/ping"), timeout=30).status_code == 404  # no page, no ping
    missing = live.get("nonexistent")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})


def test_attention_switches_live(live: Live) -> None:
    def set_option(value: str) -> str:
        before = len(live.log())
        answer = live.post("options", {"cross_attention_optimization": value})
        assert (answer.status_code, answer.json()) == (200, None)
        return live.log()[before:]

    pictures = {}
    for title, said in ((SDP, ""), ("V1 - original v1", "V1... done."), ("None", "Disabling attention optimization"),
                        ("bogus", "InvokeAI... done."), ("Automatic", "sdp... done.")):
        log = set_option(title)
        assert said in log
        assert live.get("options").json()["cross_attention_optimization"] == title
        assert "attention optimization" not in set_option(title)  # the same value again applies nothing
        pictures[title] = frames_of(live.post("txt2img", body(frames=2)))
    for frames in pictures.values():
        for frame, wanted in zip(frames, pictures["Automatic"], strict=True):
            difference = [abs(a - b) for a, b in zip(frame.tobytes(), wanted.tobytes(), strict=True)]
            assert sum(difference) / len(difference) < 3  # the same clip but for palettes


def test_options_are_saved_and_unknown_ones_fail_half_way(live: Live, root: Path) -> None:
    failed = live.post("options", {"grid_save": False, "no_such_option": 1, "n_rows": 3})
    assert failed.status_code == 500
    assert failed.json() == {"error": "KeyError", "detail": "", "body": "", "errors": "'no_such_option'"}
    assert "x-process-time" not in failed.headers
    now = live.get("options").json()
    assert (now["grid_save"], now["n_rows"]) == (False, -1)
    live.post("options", {"n_rows": 4})
    saved = json.loads((root / "config.json").read_text(encoding="utf-8"))
    assert (saved["grid_save"], saved["n_rows"]) == (False, 4)
    wrong = live.post("options", {"sd_model_checkpoint": "nobody"})
    assert wrong.json()["errors"] == "model 'nobody' not found"


def test_a_wrong_type_breaks_options_and_jobs_until_set_back(live: Live) -> None:
    assert live.post("options", {"batch_cond_uncond": "yes"}).status_code == 200
    assert live.get("options").status_code == 500
    assert live.post("txt2img", body()).status_code == 500
    assert live.post("options", {"batch_cond_uncond": True}).status_code == 200
    assert live.get("options").status_code == 200
    frames_of(live.post("txt2img", body()))


def test_same_seed_same_bytes(live: Live) -> None:
    first, second = (live.post("txt2img", body(steps=2)).json()["images"] for _ in range(2))
    assert first == second
    assert live.post("txt2img", body(steps=2, seed=9)).json()["images"] != first


def test_formats_and_surplus_frames(live: Live) -> None:
    def count(**changes: Any) -> list[int]:
        answer = live.post("txt2img", body(frames=3, **changes))
        return [len(frames_of(answer, i)) for i in range(len(answer.json()["images"]))]

    assert count(format=["GIF"]) == count(format=["GIF", "PNG"]) == [3]
    assert count(format=["PNG"]) == [1, 1, 1]
    assert count(format=["GIF", "Frame"]) == [3, 1, 1, 1]
    assert count(format=["GIF", "Frame"], video_length=2) == [2, 1, 1, 1]  # a context of three is computed
    assert count(format=["PNG"], video_length=2) == [1, 1, 1]
    assert count(format=["GIF"], video_length=0) == [3]
    alone = live.post("txt2img", body(format=["Frame"]))
    assert (alone.status_code, alone.json()["error"]) == (500, "EinopsError")


@pytest.mark.parametrize("changes", [{"bogus": 1}, {"model": "absent.safetensors"}, {"enable": False}])
def test_animatediff_fails_silently(live: Live, changes: dict[str, Any]) -> None:
    answer = live.post("txt2img", body(**changes))
    assert len(answer.json()["images"]) == 1
    assert frames_of(answer)[0].format is None and answer.json()["images"][0].startswith("iVBORw0KGgo")
    assert "AnimateDiff" not in info_of(answer)["infotexts"][0]
    frames_of(live.post("txt2img", body()))


def test_errors_are_a1111s(live: Live) -> None:
    nan = live.post("txt2img", body(steps=2, _cfg_scale=1e38))
    assert (nan.status_code, nan.json()["error"]) == (500, "NansException")
    assert nan.json()["errors"].startswith("A tensor with NaNs was produced in Unet.")
    none = live.post("txt2img", body(steps=0))
    assert (none.status_code, none.json()["error"]) == (500, "ZeroDivisionError")
    long = live.post("txt2img", body(_prompt="word, " * 60))
    assert long.json() == {"error": "IndexError", "detail": "", "body": "",
                           "errors": "index 4 is out of bounds for dimension 0 with size 4"}
    padded = live.post("txt2img", body(_prompt="word, " * 60, _override_settings={"pad_cond_uncond": True}))
    assert len(frames_of(padded)) == 4
    broken = requests.post(live.url("/sdapi/v1/txt2img"), data="{", auth=AUTH, timeout=30)
    assert (broken.status_code, broken.json()) == (422, {"detail": [
        {"loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict"}]})
    unknown = live.post("txt2img", body(_sampler_name="Nope"))
    assert info_of(unknown)["sampler_name"] == "DPM++ 2M"
    assert unknown.json()["parameters"]["sampler_name"] == "Nope"
    script = live.post("txt2img", {"alwayson_scripts": {"Nobody": {"args": []}}})
    assert (script.status_code, script.json()["detail"]) == (422, "Script 'Nobody' not found")


def test_width_65_and_other_folders(live: Live, tmp_path: Path, root: Path) -> None:
    before = sorted(root.rglob("*"))
    override = {"outdir_txt2img_samples": str(tmp_path)}
    odd = live.post("txt2img", body(frames=1, _width=65, _override_settings=override, _save_images=True))
    assert frames_of(odd)[0].size == (64, 64)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["00000-1.gif", "00000-1.png"]
    assert sorted(root.rglob("*")) == before
    live.post("options", {"outdir_txt2img_samples": "outputs/txt2img-images"})


def test_interrupt_and_progress(live: Live) -> None:
    answers: list[requests.Response] = []
    job = body(frames=4, steps=150, size=128)
    thread = threading.Thread(target=lambda: answers.append(requests.post(
        live.url("/sdapi/v1/txt2img"), json=job, auth=AUTH, timeout=300)))
    thread.start()
    state: dict[str, Any] = {}

    def samples() -> bool:
        state.update(live.get("progress").json())
        return bool(state["state"]["sampling_step"] >= 1 and state["state"]["sampling_steps"] == 150)

    assert wait_for(samples, 120)
    assert 0 < state["progress"] < 1 and state["eta_relative"] > 0
    assert state["state"]["job"] == "scripts_txt2img"
    assert state["current_image"]
    assert live.get("progress?skip_current_image=true").json()["current_image"] is None
    assert live.post("interrupt").json() == {}
    thread.join(120)
    assert len(frames_of(answers[0])) == 4
    assert live.get("progress").json()["progress"] == 0


def test_removing_the_motion_module_leaves_stills(tmp_path: Path, live: Live, root: Path) -> None:
    file = root / "extensions" / "sd-webui-animatediff" / "model" / "mm_sd15_v2.safetensors"
    kept = tmp_path / "kept"
    wanted = hashlib.sha256(frames_of(live.post("txt2img", body()))[0].tobytes()).hexdigest()
    shutil.move(file, kept)
    assert "AnimateDiff" not in info_of(live.post("txt2img", body()))["infotexts"][0]
    shutil.move(kept, file)
    again = hashlib.sha256(frames_of(live.post("txt2img", body()))[0].tobytes()).hexdigest()
    assert again == wanted


def test_server_stop_stops_nothing_without_the_page_and_kill_works(live: Live) -> None:
    """Last in this file: it ends the server."""
    assert live.post("server-stop").status_code == 200
    assert live.get("options").status_code == 200
    assert live.post("server-restart").status_code == 501
    assert live.post("server-kill").status_code == 200
    assert live.process.wait(30) == 0
