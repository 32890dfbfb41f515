"""JSON files: only the given keys change, in config.json and in Stability Matrix's settings.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.launchfile import config_json, stability_matrix
from autotune.launchfile.config_json import ABSENT
from autotune.launchfile.quoting import for_cmd, for_sh, for_shlex
from autotune.model.errors import Refused
from autotune.secrets.mask import masked_diff, masked_words
from tests.launchfile.faults import old_and_new
from tests.launchfile.judges import TARGET, edit, owns

pytestmark = pytest.mark.slow

A1111 = json.dumps({"samples_save": True, "путь": "C:\\модели", "batch_cond_uncond": True,
                    "n": [1, {"batch_cond_uncond": 3}],
                    "cross_attention_optimization": "sdp - scaled dot product"}, indent=4, ensure_ascii=False).encode()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)
objects = st.dictionaries(st.text(max_size=6), json_values, max_size=6)


def test_only_the_value_changes() -> None:
    edited = config_json.edit(A1111, {"batch_cond_uncond": False, "cross_attention_optimization": "Automatic"})
    assert edited == A1111.replace(b'"batch_cond_uncond": true', b'"batch_cond_uncond": false').replace(
        b"sdp - scaled dot product", b"Automatic")
    assert config_json.edit(edited, {"batch_cond_uncond": False}) == edited


def test_a_new_key_is_written_in_the_files_style_and_goes_again() -> None:
    edited = config_json.edit(A1111, {"fp8": "é"})
    assert edited == A1111[:-2] + ',\n    "fp8": "é"\n}'.encode()
    assert config_json.edit(edited, {"fp8": ABSENT}) == A1111
    assert config_json.edit(b"{}", {"a": 1}) == b'{"a": 1}'
    assert config_json.edit(b'{"a": 1}', {"a": ABSENT}) == b"{}"


@settings(max_examples=300, deadline=None)
@given(before=objects, wanted=st.dictionaries(st.text(max_size=6), json_values, max_size=3),
       indent=st.sampled_from((None, 1, 4)), ascii_only=st.booleans())
def test_edit_means_what_it_says(
    before: dict[str, object], wanted: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    try:
        data = json.dumps(before, indent=indent, ensure_ascii=ascii_only).encode()
        json.dumps(wanted, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return  # lone surrogates cannot be in a UTF-8 file
    try:
        edited = config_json.edit(data, wanted)
    except UnicodeEncodeError:
        return
    assert config_json.values(edited) == {**before, **wanted}
    keys = old_and_new(data, wanted)
    back, left = config_json.undo(edited, keys)
    assert config_json.values(back) == before and left == ()
    assert config_json.edit(edited, wanted) == edited


@pytest.mark.parametrize("data", [b"[1]", b"{", b"\xff", b'{"a": 1,}', b"", b"[" * 100_000])
def test_what_is_no_config_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        config_json.edit(data, {"a": 1})
    assert caught.value.hint


def settings_json(args: list[dict[str, object]] | None, newline: str = "\n") -> bytes:
    document = {
        "Version": 1, "ActiveInstalledPackage": "22222222-0000",
        "InstalledPackages": [
            {"Id": "11111111-0000", "DisplayName": "ComfyUI", "PackageName": "ComfyUI",
             "LibraryPath": "Packages\\ComfyUI",
             "LaunchArgs": [{"Name": "--xformers", "Type": "Bool", "OptionValue": True}]},
            {"Id": "22222222-0000", "DisplayName": "WebUI", "PackageName": "stable-diffusion-webui",
             "LibraryPath": "Packages\\webui", "LaunchArgs": args},
        ],
        "Theme": "Dark",
    }
    return json.dumps(document, indent=2).replace("\n", newline).encode()


ARGS: list[dict[str, object]] = [
    {"Name": "--api", "Type": "Bool", "OptionValue": True},
    {"Name": "--xformers", "Type": "Bool", "OptionValue": True},
    {"Name": "--lowvram", "Type": "Bool", "OptionValue": False},
    {"Name": "--medvram", "Type": "Bool", "OptionValue": None},
    {"Name": "--port", "Type": "String", "OptionValue": "7861"},
    {"Name": "--api-auth", "Type": "String", "OptionValue": "me:s3cret"},
    {"Name": "", "Type": "String", "OptionValue": "--theme dark --no-half-vae --ckpt-dir \"C:\\my models\""},
]
WORDS = ("--api", "--xformers", "--port", "7861", "--api-auth", "me:s3cret", "--theme", "dark", "--no-half-vae",
         "--ckpt-dir", "C:\\my models")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_stability_matrix(newline: str) -> None:
    data = settings_json(ARGS, newline)
    path, root = Path("settings.json"), Path("/data/Packages/webui")
    file = stability_matrix.parse(data, path, root)
    assert file.words == WORDS and file.static
    edited = edit(file, TARGET, owns)
    after = json.loads(edited)
    assert after["InstalledPackages"][0] == json.loads(data)["InstalledPackages"][0], "other packages stay"
    new = after["InstalledPackages"][1]["LaunchArgs"]
    assert [a["Name"] for a in new] == ["--api", *TARGET, "--lowvram", "--medvram", "--port", "--api-auth", ""]
    assert new[-1]["OptionValue"] == '--theme dark --ckpt-dir "C:\\my models"'
    assert edited.count(b"\r\n") == (edited.count(b"\n") if newline == "\r\n" else 0)
    again = stability_matrix.parse(edited, path, root)
    assert edit(again, TARGET, owns) == edited
    assert stability_matrix.parse(edit(again, (), owns), path, root).words == tuple(
        w for w, mine in zip(WORDS, owns(WORDS), strict=True) if not mine)
    shown = masked_diff(data, edited, "settings.json") + masked_diff(data, b"", "settings.json")
    assert "s3cret" not in shown and "***" in shown and "--opt-sdp-attention" in shown


def test_stability_matrix_valued_flags_and_choice_of_package() -> None:
    data = settings_json([{"Name": "--precision", "Type": "String", "OptionValue": "full"}])
    file = stability_matrix.parse(data, Path("settings.json"))
    assert file.words == ("--precision", "full")
    edited = edit(file, ("--precision", "half"), owns)
    assert stability_matrix.parse(edited, Path("settings.json")).words == ("--precision", "half")
    assert stability_matrix.parse(edit(file, (), owns), Path("settings.json")).words == ()
    with pytest.raises(Refused, match="which package"):
        stability_matrix.parse(data, Path("settings.json"), Path("/data/Packages/other"))


def test_stability_matrix_without_saved_options() -> None:
    file = stability_matrix.parse(settings_json(None), Path("settings.json"))
    assert file.words == () and file.why_not
    with pytest.raises(Refused) as caught:
        edit(file, TARGET, owns)
    assert "--opt-sdp-attention" in caught.value.hint


SECRETS = (
    b'export COMMANDLINE_ARGS="--api --api-auth me:hunter2 --xformers"\n',
    b'export COMMANDLINE_ARGS="--gradio-auth=me:hunter2,you:hunter2"\n',
    b"export COMMANDLINE_ARGS='--gradio-auth \"me:hunter2 hunter2\" --api'\n",
    b"set COMMANDLINE_ARGS=--ngrok hunter2 --listen\r\n",
    b"set COMMANDLINE_ARGS=--api-auth ^\r\n me:hunter2 ^\r\n --x\r\n",
    b'export COMMANDLINE_ARGS="--api-auth \\\n  me:hunter2 \\\n  --x"\n',
    b"set HF_TOKEN=hunter2\r\n",
    b"export NGROK_AUTHTOKEN='hunter2'\n",
    b"export http_proxy=http://me:hunter2@proxy:8080\n",
    b'export COMMANDLINE_ARGS="--civitai-api-key hunter2"\n',
    b"set COMMANDLINE_ARGS=--api-auth me:hunter2\r\n",
)


@pytest.mark.parametrize("data", SECRETS)
def test_no_secret_in_a_masked_diff(data: bytes) -> None:
    shown = masked_diff(data, data + b"# new\n", "webui-user") + masked_diff(data, b"", "webui-user")
    assert "hunter2" not in shown and "***" in shown


def test_a_diff_shows_what_changed() -> None:
    before = b'export COMMANDLINE_ARGS="--xformers --api-auth me:pw"\n# end\n'
    after = b'export COMMANDLINE_ARGS="--opt-sdp-attention --api-auth me:pw"\n# end\n'
    assert masked_diff(before, after, "webui-user.sh") == (
        "--- webui-user.sh (before)\n+++ webui-user.sh (after)\n@@ -1,2 +1,2 @@\n"
        '-export COMMANDLINE_ARGS="--xformers --api-auth ***"\n'
        '+export COMMANDLINE_ARGS="--opt-sdp-attention --api-auth ***"\n'
        " # end\n")
    assert masked_diff(before, before, "x") == ""


nasty = st.text(alphabet="ab '\"\\$`%^&!;:é", max_size=6)


@settings(max_examples=500, deadline=None)
@given(before=nasty, after=nasty, joint=st.sampled_from((" ", "=")),
       where=st.sampled_from(("bare", "double", "single", "ansi", "plain", "quoted")))
def test_no_password_whatever_it_holds_is_shown(before: str, after: str, where: str, joint: str) -> None:
    password = f"me:{before}hunter2{after}"
    assert "hunter2" not in " ".join(masked_words(("--api", "--api-auth", password, f"--gradio-auth={password}")))
    text = f"--api --api-auth{joint}{for_shlex(password)} --listen"
    if where in ("plain", "quoted"):
        value = for_cmd(text, where)
        if value is None:
            return
        line = f'set "COMMANDLINE_ARGS={value}"' if where == "quoted" else f"set COMMANDLINE_ARGS={value}"
    else:
        marks = {"bare": "", "double": '"', "single": "'", "ansi": "'"}[where]
        line = f"export COMMANDLINE_ARGS={'$' if where == 'ansi' else ''}{marks}{for_sh(text, where)}{marks}"
    assert "hunter2" not in masked_diff(b"", line.encode() + b"\n", "webui-user")


def test_words_that_are_no_secret_are_shown() -> None:
    words = ("--api", "--ckpt-dir", "x", "--ngrok-region", "eu", "--port", "7860", "--api-auth")
    assert masked_words(words) == list(words)
