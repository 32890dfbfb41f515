"""Whatever spells and quotes it, a credential's value is gone; and no ordinary value is hidden."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.secrets.mask import MASK, is_secret, masked, masked_diff, masked_words

CATALOGUE = json.loads(
    (Path(__file__).parent.parent / "webui" / "flags" / "cmd_flags_a1111_1.10.1.json").read_text(encoding="utf-8"))
HOLD_A_SECRET = {"--api-auth", "--gradio-auth", "--ngrok", "--ngrok-options"}
"""All of A1111 1.10.1's flags whose value is a credential."""

FLAGS = ("--api-auth", "--api-au", "--api-aut", "--gradio-auth", "--gradio-a", "--ngrok", "--civitai-pat", "--cookie",
         "--hf-token", "--my-api-key", "--civitai-key", "--webhook-password", "--db-pass", "--API-AUTH", "--user-pw")
NAMES = ("HF_TOKEN", "PASS", "PASSWD", "DB_PWD", "X_TOKEN", "api_auth", "gradio_auth", "CIVITAI_PAT", "COOKIE",
         "AWS_SECRET_ACCESS_KEY", "NGROK_AUTHTOKEN", "openai_api_key", "password", "client_secret",
         "apiKey", "accessToken")
HEADERS = ("Authorization", "Proxy-Authorization", "X-Api-Key", "x-auth-token", "Cookie", "Set-Cookie",
           "X-Civitai-Token")

value = st.text("abcXYZ0189.:_!@%+/~^#-", min_size=6, max_size=24).filter(
    lambda text: text[0] not in "-/~.#:@" and text.isprintable() and len(set(text)) > 4
    and not any(text in form for form in (*FLAGS, *NAMES, *HEADERS)))
word = st.text("abcXYZ0189", min_size=8, max_size=20).filter(lambda text: len(set(text)) > 4)

FLAG_FORMS: tuple[Callable[[str, str], str], ...] = (
    lambda flag, text: f"{flag} {text} --xformers",
    lambda flag, text: f"{flag}={text} --xformers",
    lambda flag, text: f"{flag} '{text}' --xformers",
    lambda flag, text: f'{flag}="{text}" --xformers',
    lambda flag, text: f'"{flag}" "{text}" --xformers',
    lambda flag, text: f'"{flag}={text}" --xformers',
    lambda flag, text: f"starting with arguments: --listen {flag} {text} --xformers",
    lambda flag, text: str(["--listen", flag, text, "--xformers"]),
    lambda flag, text: str(["--listen", f"{flag}={text}", "--xformers"]),
    lambda flag, text: json.dumps(["--listen", flag, text, "--xformers"]),
    lambda flag, text: json.dumps([flag, text, "--xformers"], indent=2),
    lambda flag, text: json.dumps({"args": f"{flag} {text} --xformers"}),
    lambda flag, text: f"args:\n  - {flag}\n  - {text}\n  - --xformers",
    lambda flag, text: f"args:\n  - \"{flag}\"\n  - \"{text}\"\n  - --xformers",
    lambda flag, text: f"COMMANDLINE_ARGS={shlex.quote(f'{flag} {text} --xformers')}",
    lambda flag, text: f'set COMMANDLINE_ARGS=--listen {flag} {text} --xformers',
    lambda flag, text: f"error: {flag} {text}: not a valid value --xformers",
    lambda flag, text: json.dumps({"Name": flag, "Type": "string", "OptionValue": text, "x": "--xformers"}),
)
NAME_FORMS: tuple[Callable[[str, str], str], ...] = (
    lambda name, text: str({"port": 7860, name: text, "keep": "this"}),
    lambda name, text: json.dumps({"port": 7860, name: text, "keep": "this"}),
    lambda name, text: json.dumps({name: text, "keep": "this"}, indent=1),
    lambda name, text: json.dumps(json.dumps({name: text, "keep": "this"})),
    lambda name, text: json.dumps({name: [text, text], "keep": "this"}),
    lambda name, text: str({name: ("user", text), "keep": "this"}),
    lambda name, text: str({name: text.encode(), "keep": "this"}),
    lambda name, text: str(argparse.Namespace(**{"port": 1, name: text, "zkeep": "this"})),
    lambda name, text: f"{name}={text} keep=this",
    lambda name, text: f"export {name}='{text}' keep=this",
    lambda name, text: f'set "{name}={text}" keep=this',
    lambda name, text: f"@set {name}={text} more words of it\nkeep=this",
    lambda name, text: f"setx {name} {text}\nkeep=this",
    lambda name, text: f'$env:{name} = "{text}"\nkeep=this',
    lambda name, text: f"os.environ['{name}'] = '{text}'\nkeep=this",
    lambda name, text: f"{name}: {text}\nkeep: this",
    lambda name, text: f"  {name}: \"{text}\"\n  keep: this",
    lambda name, text: f"{{{name}: {text.replace(',', '')}, keep: this}}",
    lambda name, text: f'{name} = "{text}"\nkeep = "this"',
    lambda name, text: f"{name}+={text} keep=this",
    lambda name, text: f"${{{name}:-{text}}} keep=this",
    lambda name, text: f"ValueError: bad {name}={text!r} keep=this",
)


@given(st.sampled_from(FLAGS), st.sampled_from(range(len(FLAG_FORMS))), value)
def test_no_form_of_a_flag_shows_its_value(flag: str, form: int, secret: str) -> None:
    text = FLAG_FORMS[form](flag, secret)
    for shown in (masked(text), masked(text, script=True), masked(f"[12:00] log: {text}")):
        assert secret not in shown and MASK in shown and "--xformers" in shown, shown
    assert secret not in " ".join(masked_words(["--listen", flag, secret, f"{flag}={secret}", "--xformers"]))


@given(st.sampled_from(NAMES), st.sampled_from(range(len(NAME_FORMS))), value)
def test_no_form_of_a_name_shows_its_value(name: str, form: int, secret: str) -> None:
    text = NAME_FORMS[form](name, secret)
    for shown in (masked(text), masked(text, script=True)):
        assert secret not in shown and MASK in shown and "keep" in shown and "this" in shown, shown


@given(st.sampled_from(HEADERS), st.sampled_from(("{}", "Bearer {}", "Basic {}", "sid={}; theme=dark")), value)
def test_headers(header: str, form: str, secret: str) -> None:
    said = form.format(secret)
    for text in (f"{header}: {said}", f"> {header}: {said}", f"curl -H '{header}: {said}' http://x/keep",
                 f'curl -H "{header}: {said}" http://x/keep', str({header: said, "keep": 1}),
                 f"sent {header}: {said}"):
        shown = masked(text)
        assert secret not in shown and ("keep" in shown) == ("keep" in text), shown


@given(word, st.sampled_from(("https://ada:{}@example.org/keep", "see ada:{}@example.org:7860 keep",
                              "ada:{}@localhost keep",
                              "curl -u ada:{} keep", "wrong password: {} keep",
                              "http://x/?token={}&keep=1", "http://x/a?b=1&api_key={}&keep=1#f", "http://{}@x/keep",
                              "http://x/?keep=1&access_token={}", "git clone https://ada:{}@x/keep.git",
                              "proxy=socks5://u:{}@10.0.0.1:1080 keep", "https://discord.com/api/webhooks/1/{} keep",
                              "the key sk-{}0 keep", "hf_{}0 keep", "ghp_{}abcdef keep", "Bearer {} keep",
                              "https://ada:p@{}@host/keep", "https://ada:p/{}@host/keep")))
def test_addresses_and_shapes(secret: str, form: str) -> None:
    shown = masked(form.format(secret))
    assert secret not in shown and MASK in shown and "keep" in shown, shown


def test_every_flag_of_the_catalogue_that_holds_no_secret_stays() -> None:
    flags = [f"--{name.replace('_', '-')}" for name in _dests(CATALOGUE)]
    assert len(flags) > 100 and set(flags) >= HOLD_A_SECRET - {"--ngrok-options"}
    for flag in flags:
        for cut in range(max(len(flag) - 4, 6), len(flag) + 1):
            short = flag[:cut].rstrip("-")
            line = f"{short} /data/x --xformers {short}=7860 'x y'"
            if flag in HOLD_A_SECRET:
                assert "/data/x" not in masked(line) or not is_secret(short)
            elif not any(secret.startswith(short) for secret in HOLD_A_SECRET):
                assert masked(line) == line and masked(line, script=True) == line
                assert masked_words(shlex.split(line)) == shlex.split(line)


def _dests(document: object) -> list[str]:
    if isinstance(document, dict):
        return list(document)
    assert isinstance(document, list)
    return [str(row["name"]).lstrip("-") if isinstance(row, dict) else str(row).lstrip("-") for row in document]


@pytest.mark.parametrize("text", [
    "--gradio-allowed-path /data --xformers", "--gradio-auth-path /data/users.txt --api --api-log --api-server-stop",
    "--autolaunch --allow-code --theme dark --port 7860", "PWD=/opt/webui OLDPWD=/root", "--tls-keyfile a.pem",
    "token_merging_ratio=0.5 max_token_length: 225", "first_stage_key: image", "KeyError: 'model'", "author: ada",
    "Namespace(api_auth=None, gradio_auth=None, ngrok=None, port=7860)", '{"api_auth": null, "gradio_auth": ""}',
    "http://127.0.0.1:7860/?__theme=dark&x=1", "C:\\webui@home\\venv", "git@github.com:AUTOMATIC1111/x.git",
    "2024-08-10 16:24:22 ERROR: out of memory at 0x7f", "export COMMANDLINE_ARGS=--medvram", "--ngrok-region eu",
    "hf_hub_download failed", "pip install torch==2.1.2", "the password is wrong: try again", "task-list-of-all-things",
    "Token indices sequence length is longer", "a key: value pair", "mailto:ada@example.org", "PYTHONPATH=/x PATH=/bin",
    "/opt/venv/lib/python3.10/site-packages/x.py:12", "sdp-no-mem: 5.6s; sub-quad: 7s", "skip-torch-cuda-test",
])
def test_ordinary_values_stay(text: str) -> None:
    assert masked(text) == text and masked(text, script=True) == text


@given(st.lists(st.sampled_from(("--api", "--xformers", "--port", "7860", "--ckpt-dir", "/data/models", "--theme",
                                 "dark", "--gradio-allowed-path", "/x=y", "set", "export", "COMMANDLINE_ARGS=--medvram",
                                 "\n", '"', "'", "&", "REM", "# a note:", "venv", "C:\\x", "%CD%", "$HOME", "key",
                                 "path:", "{", "}"))))
def test_text_without_secrets_stays(words: list[str]) -> None:
    text = " ".join(words)
    assert masked(text) == text and masked(text, script=True) == text


def test_a_comment_that_repeats_a_password_is_hidden_too() -> None:
    before = (b"# login: me, hunter2-x9 (old one)\n"
              b"export COMMANDLINE_ARGS='--api-auth me:hunter2-x9 --xformers'\n# end\n")
    shown = masked_diff(before, before.replace(b"--xformers", b"--medvram"), "webui-user.sh")
    assert "hunter2" not in shown and "old one" in shown and "# end" in shown and "--medvram" in shown


def test_a_diff_hides_what_it_quotes() -> None:
    before = b'set "X_TOKEN=s3cret word"\r\nset COMMANDLINE_ARGS=--api-auth me:s3cret --xformers\r\n'
    shown = masked_diff(before, before.replace(b"--xformers", b"--medvram"), "webui-user.bat")
    assert "s3cret" not in shown and "+set COMMANDLINE_ARGS=--api-auth *** --medvram" in shown
