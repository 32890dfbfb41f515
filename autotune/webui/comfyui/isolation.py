"""Keeps a trial of ComfyUI apart: flags that it is not given, and folders, credentials and a node of its own.

Left out of every trial's words: network and TLS, its folders, the manager, accounts, pages and browser, previews,
logging, metadata and saved assets. What says where models and custom nodes lie stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autotune.flags import argv
from autotune.flags.catalogue import Flag
from autotune.webui.face import TrialCommand, TrialStart

_TAKES = {
    # network, TLS, what a web page may do
    "--listen": "?", "--port": "1", "--tls-keyfile": "1", "--tls-certfile": "1", "--enable-cors-header": "?",
    "--max-upload-size": "1", "--enable-compress-response-body": "0",
    # folders that are the trial's own, and the owner's database
    "--output-directory": "1", "--temp-directory": "1", "--input-directory": "1", "--user-directory": "1",
    "--database-url": "1", "--enable-assets": "0", "--disable-assets": "0",
    # the manager, accounts, the network behind them
    "--enable-manager": "0", "--disable-manager-ui": "0", "--enable-manager-legacy-ui": "0", "--multi-user": "0",
    "--comfy-api-base": "1", "--disable-api-nodes": "0", "--offline": "0", "--feature-flag": "1",
    # pages and browser: --windows-standalone-build opens one, and in 0.3 renews the updater beside the install
    "--auto-launch": "0", "--disable-auto-launch": "0", "--windows-standalone-build": "0", "--front-end-version": "1",
    "--front-end-root": "1",
    # previews take time of the clip
    "--preview-method": "1", "--preview-size": "1",
    # logging: the log's lines are evidence; starts that end at once
    "--verbose": "?", "--log-stdout": "0", "--dont-print-server": "0", "--debug-hang": "0", "--disable-metadata": "0",
    "--quick-test-for-ci": "0", "--list-feature-flags": "0",
}
LEFT_OUT = {name: Flag(name, "protected", "", takes) for name, takes in _TAKES.items()}
"""Flags that a trial is not given, with how many values follow each."""
_PATHS = {name: Flag(name, "fixed", "", takes) for name, takes in {
    "--base-directory": "1", "--extra-model-paths-config": "+"}.items()}
"""Flags that stay and name places, relative ones counted from where the owner starts ComfyUI."""

NODE = "autotune_trial"
"""Folder of the trial's own custom node."""
VARIABLE = "AUTOTUNE_COMFYUI_TRIAL"
"""The environment variable by which it gets credentials, checkpoint and folders."""
NODES_LEFT_OUT = re.compile(
    r"^comfyui[-_ ]?manager\b|login|sentinel|ngrok|cloudflare|tunnel", re.IGNORECASE)
"""Custom nodes without which a trial starts: they fetch, or ask for credentials of their own. None of them computes."""


def trial_words(words: Sequence[str]) -> tuple[str, ...]:
    """The words of the user's that a trial is given, order kept: none about network, folders or secrets."""
    kept: list[str] = []
    for piece in argv.pieces(words, LEFT_OUT):
        if piece.flag is None:
            kept += words[piece.start : piece.end]
    return tuple(kept)


def serves_tls(words: Sequence[str]) -> bool:
    """Whether these words make ComfyUI serve https: a key and a certificate."""
    return {"--tls-keyfile", "--tls-certfile"} <= set(argv.given(words, LEFT_OUT))


def prepare(start: TrialStart) -> TrialCommand:
    """."""
    raise NotImplementedError
