"""One notion of a credential: every name that any room has ever hidden is hidden in every room."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autotune.secrets.mask import MASK, is_guarded, is_secret, masked, masked_words

NAMES = (
    "--api-auth", "--api-au", "--gradio-auth", "--gradio-a", "--ngrok", "--ngrok-options",
    "--jprq", "--tunnel-webhook", "--cloud-token", "--my-api-key", "--civitai-key", "--webhook-password",
    "--my-secret", "--aws-credentials", "--API-AUTH", "HF_TOKEN", "NGROK_AUTHTOKEN", "OPENAI_KEY", "MY_APIKEY",
    "db_password", "api_auth", "gradio_auth", "encryption_key",
)
PLAIN = (
    "--gradio-auth-path", "--gradio-allowed-path", "--gradio-api", "--api-log", "--api-server-stop", "--token-merging",
    "PWD", "OLDPWD", "author", "first_stage_key", "max_token_length", "--tls-key",
    "--api", "--listen", "--theme", "--ngrok-region", "--tls-keyfile", "--opt-sdp-attention", "--no-half",
    "--sub-quad-kv-chunk-size", "COMMANDLINE_ARGS", "--keyboard", "PYTORCH_CUDA_ALLOC_CONF",
)
EARLIER = (
    r"--[\w-]*(?:auth|token|passw|secret|ngrok|credential|api-key|apikey)[\w-]*(?<!-path)(?<!-region)",
    r"--(?:ngrok(?![\w-]*region)|[\w-]*(?:auth|token|passw|secret|credential|api-?key))[\w-]*",
    r"--(?:ngrok|ngrok-options|jprq|tunnel-webhook|[\w-]*(?:token|password|secret|auth))",
)
"""What the rooms that show launch files, reports and logs called a secret flag before they shared one notion."""


@pytest.mark.parametrize("name", NAMES)
def test_secret(name: str) -> None:
    assert is_secret(name) and is_guarded(name)


@pytest.mark.parametrize("name", PLAIN)
def test_not_secret(name: str) -> None:
    assert not is_secret(name)


def test_more_is_guarded_where_nothing_is_lost_by_it() -> None:
    assert is_guarded("ngrok_region") and is_guarded("tls_keyfile") and not is_guarded("opt_sdp_attention")


@given(st.lists(st.sampled_from(
    ("api", "auth", "token", "ngrok", "region", "key", "apikey", "path", "pass", "password", "gradio", "au", "secret",
     "credential", "x", "options", "jprq", "webhook", "my")), min_size=1, max_size=4))
@example(["ngrok", "region", "api"])
def test_nothing_that_was_hidden_is_shown(parts: list[str]) -> None:
    flag = "--" + "-".join(parts)
    if any(re.fullmatch(pattern, flag, re.IGNORECASE) for pattern in EARLIER) and not flag.endswith(("region", "path")):
        assert is_secret(flag)
    attribute = "_".join(parts)
    if re.search(r"auth|token|password|secret|ngrok|jprq|webhook|tls|api_key|_key$", attribute):
        assert is_guarded(attribute)


quoting = st.sampled_from(("{}", "'{}'", '"{}"', '"{}', "'{}", "me:'{} x'", 'me:"{} x"', "a&{}", "a;{}|b", "\\ {}"))


@given(quoting, st.sampled_from(("--api-auth ", "--api-auth=", "--api-auth = ", "HF_TOKEN=", "export HF_TOKEN = ")))
def test_no_value_is_shown_whatever_quotes_it(form: str, head: str) -> None:
    text = f"starting with --api {head}{form.format('hunter2')}"
    assert "hunter2" not in masked(text)
    assert masked(text).startswith("starting with --api ")
    assert "hunter2" not in masked(text, script=True)


def test_words_and_addresses() -> None:
    words = ("--api", "--api-auth", "me:pw", "--gradio-auth=me:pw", "--proxy", "http://me:pw@host", "--my-key", "pw")
    assert masked_words(words) == [
        "--api", "--api-auth", MASK, f"--gradio-auth={MASK}", "--proxy", f"http://{MASK}@host", "--my-key", MASK]
    assert masked_words(("--api-auth", "--listen")) == ["--api-auth", "--listen"]
    assert masked("see https://me:pw@host/x and https://token@host") == f"see https://{MASK}@host/x and https://{MASK}@host"


@pytest.mark.slow
@pytest.mark.parametrize("text", ["x" * 200_000, "-" * 200_000, "A=" * 100_000, "--token " * 25_000, "://" * 60_000])
def test_long_lines_take_no_time(text: str) -> None:
    """Twice the text takes about twice the time, not four times."""

    def seconds(part: str) -> float:
        best = 9.0
        for _ in range(3):
            begun = time.process_time()
            masked(part)
            masked(part, script=True)
            best = min(best, time.process_time() - begun)
        return best

    assert seconds(text) < 12 * max(seconds(text[: len(text) // 4]), 0.002)
