"""The fingerprint: from_files and full agree, each part changes it, nothing secret is in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.machine.fingerprint_parts import sign
from autotune.model.errors import NothingToWorkOn
from autotune.model.machine import Fingerprint
from autotune.secrets.mask import masked_words
from autotune.webui.a1111.fingerprint import from_files
from autotune.webui.a1111.machine import inspect
from tests.nvml_fake import Fake
from tests.webui.installs import repository, venv, webui, write

WORDS = ("--api", "--xformers", "--port", "7861")
HEAVY = ("torch", "numpy", "scipy", "optuna", "psutil", "requests", "rich", "PIL", "subprocess", "tomllib")


def changed(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """Names of the parts that differ."""
    one, other = dict(before.parts), dict(after.parts)
    assert set(one) == set(other)
    return tuple(name for name in sorted(one) if one[name] != other[name])


def test_cheap_and_full_agree(tmp_path: Path) -> None:
    root = webui(tmp_path, {"token_merging_ratio": 0.3, "sd_vae": "vae.pt"})
    machine = inspect(root, None, WORDS)
    assert from_files(root, WORDS) == machine.fingerprint
    assert dict(machine.fingerprint.parts)["torch"] == "2.1.2+cu121"


def test_cheap_and_full_agree_with_gpus(tmp_path: Path, fake: Fake) -> None:
    root = webui(tmp_path)
    machine = inspect(root, None, WORDS)
    assert len(machine.gpus) == 2
    assert from_files(root, WORDS) == machine.fingerprint
    parts = dict(machine.fingerprint.parts)
    assert (parts["driver"], parts["cuda_driver"]) == ("550.54.14", "12.4")
    assert parts["gpu_memory"] == "24576 MiB, 24576 MiB"
    fake.system(driver="551.23")
    assert changed(machine.fingerprint, from_files(root, WORDS)) == ("driver",)


def test_an_nvml_that_fails_half_way_gives_the_same_both_ways(tmp_path: Path, fake: Fake) -> None:
    fake.fail("nvmlDeviceGetName")
    root = webui(tmp_path)
    assert from_files(root, WORDS) == inspect(root, None, WORDS).fingerprint


CHANGES: dict[str, Callable[[Path], object]] = {
    "webui_version": lambda root: write(root / "CHANGELOG.md", "## 1.10.2\n"),
    "webui_commit": repository,
    "animatediff": lambda root: write(
        root / "extensions/sd-webui-animatediff/scripts/animatediff_version.py", "version = '3'"
    ),
    "extensions": lambda root: (root / "extensions/another").mkdir(),
    "torch": lambda root: newer_torch(root),
    "xformers": lambda root: venv(root / "venv", {"xformers": "0.0.30"}),
    "checkpoint": lambda root: write(root / "models/Stable-diffusion/model.safetensors", "other weights"),
    "motion_module": lambda root: write(root / "extensions/sd-webui-animatediff/model/mm_v2.ckpt"),
    "settings": lambda root: write(root / "config.json", json.dumps({"fp8_storage": "Enable"})),
    "vae": lambda root: write(root / "config.json", json.dumps({"sd_vae": "a.pt"})),
}


def newer_torch(root: Path) -> None:
    venv(root / "venv", {"torch": "2.9.0"})
    next((root / "venv").rglob("torch-2.1.2+cu121.dist-info")).rmdir()


@pytest.mark.parametrize("part", sorted(CHANGES))
def test_each_part_changes_it_and_only_that_part(tmp_path: Path, part: str) -> None:
    root = webui(tmp_path)
    before = from_files(root, WORDS)
    CHANGES[part](root)
    after = from_files(root, WORDS)
    assert after.id != before.id
    assert changed(before, after) == (part,)


def test_python_and_kept_flags(tmp_path: Path) -> None:
    root = webui(tmp_path)
    before = from_files(root, WORDS)
    assert changed(before, from_files(root, (*WORDS, "--medvram"))) == ("kept_flags",)
    cfg = root / "venv/pyvenv.cfg"
    cfg.write_text(cfg.read_text().replace("3.10.11", "3.11.4"))
    assert changed(before, from_files(root, WORDS)) == ("python",)


def test_what_autotune_itself_writes_does_not_change_it(tmp_path: Path) -> None:
    root = webui(tmp_path)
    before = from_files(root, WORDS)
    assert from_files(root, ("--api", "--port", "7861", "--opt-sdp-attention", "--opt-channelslast")) == before
    write(root / "config.json", json.dumps({"cross_attention_optimization": "Doggettx", "batch_cond_uncond": False}))
    assert from_files(root, WORDS) == before


def test_the_same_install_elsewhere_looks_the_same(tmp_path: Path) -> None:
    assert from_files(webui(tmp_path / "a"), WORDS) == from_files(webui(tmp_path / "b"), WORDS)


@pytest.mark.parametrize(
    "words",
    [
        ("--api-auth", "me:secret"),
        ("--api-auth=me:secret",),
        ("--gradio-auth", "a:secret", "--api"),
        ("--ngrok", "secret"),
        ("--api-au", "me:secret"),
        ("--gradio-auth=a:secret", "--my-extension-token", "secret", "--api"),
        ("--webhook-password=secret",),
    ],
)
def test_nothing_secret(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert "secret" not in " ".join(masked_words(words))
    found = from_files(webui(tmp_path), words)
    assert "secret" not in json.dumps(found.parts)
    assert changed(found, from_files(tmp_path, tuple(word.replace("secret", "other") for word in words))) == ()


def test_what_is_not_secret_stays() -> None:
    words = ("--port", "7861", "--ckpt-dir", "/p", "--theme=dark", "loose", "--my-flag", "3", "--listen")
    assert masked_words(words) == list(words)


def test_id_is_of_all_parts_whatever_their_order() -> None:
    assert sign({"a": "1", "b": "2"}) == sign({"b": "2", "a": "1"})
    assert sign({"a": "1,b", "c": ""}).id != sign({"a": "1", "b": "c"}).id


@pytest.mark.parametrize("shell", [False, True])
def test_cheap_imports_nothing_heavy_and_starts_no_process(tmp_path: Path, shell: bool) -> None:
    """A shell file is given to its parser, a process of some milliseconds; nothing else is."""
    root = webui(tmp_path)
    heavy = [name for name in HEAVY if name != "subprocess" or not shell]
    if not shell:
        (root / "webui-user.sh").unlink()
    code = (
        "import sys\nfrom pathlib import Path\nfrom autotune.webui.a1111.fingerprint import from_files\n"
        f"print(from_files(Path({str(root)!r}), {WORDS!r}).id)\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [from_files(root, WORDS).id, "[]"]


def test_no_web_ui(tmp_path: Path) -> None:
    with pytest.raises(NothingToWorkOn):
        from_files(tmp_path, ())
