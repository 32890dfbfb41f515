"""Credentials are masked wherever a flag, a variable or an address may carry one; other words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.secrets.mask import MASK, masked

SECRET = "s3cr3t:w0rd"


@pytest.mark.parametrize(
    "line",
    [
        f"--api-auth {SECRET}",
        f"--api-au {SECRET}",
        f"--gradio-auth={SECRET}",
        f"--gradio-a {SECRET},other:{SECRET}",
        f"--ngrok {SECRET}",
        f'--gradio-auth "{SECRET}"',
        f"--cloud-token '{SECRET}'",
        f"--my-api-key = {SECRET}",
        f"export HF_TOKEN={SECRET}",
        f'set NGROK_AUTHTOKEN="{SECRET}"',
        f"git clone https://ada:{SECRET}@example.org/x.git",
        f"+export COMMANDLINE_ARGS='--api --api-auth {SECRET} --xformers'",
    ],
)
def test_masked(line: str) -> None:
    assert "s3cr3t" not in masked(line)
    assert MASK in masked(line)


@pytest.mark.parametrize(
    "line",
    [
        "--api --opt-sdp-attention --theme dark",
        "--ngrok-region eu",
        "--token-merging --xformers",
        "export COMMANDLINE_ARGS=--medvram",
        "attention=sdp channelslast=on",
        "--api-auth --listen",
    ],
)
def test_left_alone(line: str) -> None:
    assert masked(line) == line


@given(
    st.text(alphabet="abcXYZ019.:_-!@#%+=/", min_size=4, max_size=30).filter(
        lambda s: not s.startswith(("-", "=")) and not (set("--api-auth keep") >= set(s))
    ),
    st.sampled_from(["--api-auth ", "--gradio-auth=", "--ngrok "]),
)
def test_any_value_of_a_secret_flag_is_gone(value: str, flag: str) -> None:
    assert value not in masked(f"{flag}{value} --xformers")
    assert masked(f"{flag}{value} --xformers").endswith(" --xformers")
