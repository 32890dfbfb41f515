"""Every command line flag of A1111 1.10.1, with its built-in extensions' own, defined as A1111 defines them.

`create` copies this file to modules/cmd_args.py of an install, and the server there takes its parser from that
copy. It stands alone: only the standard library. Help texts are ours; (inert) marks flags whose help in A1111
says that they do nothing. `autotune/engine/inert.py` lists those that act here.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

script_path = str(Path(__file__).resolve().parent.parent)

# --data-dir and --models-dir are read first: defaults of other flags depend on them.
parser_pre = argparse.ArgumentParser(add_help=False)
parser_pre.add_argument("--data-dir", type=str, default=script_path)
parser_pre.add_argument("--models-dir", type=str, default=None)
_pre, _rest = parser_pre.parse_known_args(sys.argv[1:])
data_path = str(_pre.data_dir)
models_path = _pre.models_dir or str(Path(data_path) / "models")


def _data(*parts: str) -> str:
    return str(Path(data_path, *parts))


def _models(name: str) -> str:
    return str(Path(models_path, name))


parser = argparse.ArgumentParser(prog="launch.py")

# starting
parser.add_argument("-f", action="store_true", help=argparse.SUPPRESS)
parser.add_argument("--update-all-extensions", action="store_true", help="update every extension at start")
parser.add_argument("--skip-python-version-check", action="store_true", help="accept any Python version")
parser.add_argument("--skip-torch-cuda-test", action="store_true", help="start also when torch sees no GPU")
parser.add_argument("--reinstall-xformers", action="store_true", help="install xformers again")
parser.add_argument("--reinstall-torch", action="store_true", help="install torch again")
parser.add_argument("--update-check", action="store_true", help="look for a newer version at start")
parser.add_argument("--test-server", action="store_true", help="settings for automated tests of the server")
parser.add_argument("--log-startup", action="store_true", help="print a detailed log of the start")
parser.add_argument("--skip-prepare-environment", action="store_true", help="do not prepare the environment")
parser.add_argument("--skip-install", action="store_true", help="do not install packages")
parser.add_argument("--dump-sysinfo", action="store_true", help="write a file on the system, then exit")
parser.add_argument("--loglevel", type=str, default=None, help="CRITICAL, ERROR, WARNING, INFO or DEBUG")
parser.add_argument("--do-not-download-clip", action="store_true", help="do not fetch a missing CLIP model")

# places
parser.add_argument("--data-dir", type=str, default=script_path, help="folder of all user data")
parser.add_argument("--models-dir", type=str, default=None, help="folder of models, beside the data folder")
parser.add_argument("--config", type=str, default=str(Path(script_path, "configs", "v1-inference.yaml")),
                    help="file that describes the model")
parser.add_argument("--ckpt", type=str, default=_data("model.ckpt"), help="checkpoint, added to the list and loaded")
parser.add_argument("--ckpt-dir", type=str, default=None, help="further folder of checkpoints")
parser.add_argument("--vae-dir", type=str, default=None, help="further folder of VAEs")
parser.add_argument("--gfpgan-dir", type=str, default=str(Path(script_path, "GFPGAN")), help="folder of GFPGAN")
parser.add_argument("--gfpgan-model", type=str, default=None, help="file of the GFPGAN model")

# numbers, first part
parser.add_argument("--no-half", action="store_true", help="keep the model in 32 bit")
parser.add_argument("--no-half-vae", action="store_true", help="keep the VAE in 32 bit")
parser.add_argument("--no-progressbar-hiding", action="store_true", help="(inert)")
parser.add_argument("--max-batch-count", type=int, default=16, help="(inert)")

# places, second part
parser.add_argument("--embeddings-dir", type=str, default=_data("embeddings"), help="textual inversion folder")
parser.add_argument("--textual-inversion-templates-dir", type=str,
                    default=str(Path(script_path, "textual_inversion_templates")), help="training templates")
parser.add_argument("--hypernetwork-dir", type=str, default=_models("hypernetworks"), help="hypernetworks")
parser.add_argument("--localizations-dir", type=str, default=str(Path(script_path, "localizations")),
                    help="translations")

# memory and numbers
parser.add_argument("--allow-code", action="store_true", help="allow scripts that run code from the page")
parser.add_argument("--medvram", action="store_true", help="keep only one part of the model on the GPU")
parser.add_argument("--medvram-sdxl", action="store_true", help="as --medvram, for SDXL models only")
parser.add_argument("--lowvram", action="store_true", help="keep only one block of the model on the GPU")
parser.add_argument("--lowram", action="store_true", help="load weights straight to the GPU")
parser.add_argument("--always-batch-cond-uncond", action="store_true", help="(inert)")
parser.add_argument("--unload-gfpgan", action="store_true", help="(inert)")
parser.add_argument("--precision", type=str, choices=["full", "half", "autocast"], default="autocast",
                    help="numbers to compute in")
parser.add_argument("--upcast-sampling", action="store_true", help="sample in 32 bit with a 16 bit model")

# sharing
parser.add_argument("--share", action="store_true", help="publish the page through gradio")
parser.add_argument("--ngrok", type=str, default=None, help="ngrok token")
parser.add_argument("--ngrok-region", type=str, default="", help="(inert)")
parser.add_argument("--ngrok-options", type=json.loads, default={}, help="ngrok options, JSON")
parser.add_argument("--enable-insecure-extension-access", action="store_true",
                    help="manage extensions from other machines")

# places of upscalers and restorers
parser.add_argument("--codeformer-models-path", type=str, default=_models("Codeformer"), help="CodeFormer models")
parser.add_argument("--gfpgan-models-path", type=str, default=_models("GFPGAN"), help="GFPGAN models")
parser.add_argument("--esrgan-models-path", type=str, default=_models("ESRGAN"), help="ESRGAN models")
parser.add_argument("--bsrgan-models-path", type=str, default=_models("BSRGAN"), help="BSRGAN models")
parser.add_argument("--realesrgan-models-path", type=str, default=_models("RealESRGAN"), help="RealESRGAN models")
parser.add_argument("--dat-models-path", type=str, default=_models("DAT"), help="DAT models")
parser.add_argument("--clip-models-path", type=str, default=None, help="CLIP models")

# attention
parser.add_argument("--xformers", action="store_true", help="xformers attention, where it can be used")
parser.add_argument("--force-enable-xformers", action="store_true", help="xformers attention without the checks")
parser.add_argument("--xformers-flash-attention", action="store_true", help="flash attention inside xformers")
parser.add_argument("--deepdanbooru", action="store_true", help="(inert)")
parser.add_argument("--opt-split-attention", action="store_true", help="Doggettx attention")
parser.add_argument("--opt-sub-quad-attention", action="store_true", help="sub-quadratic attention")
parser.add_argument("--sub-quad-q-chunk-size", type=int, default=1024, help="queries a chunk")
parser.add_argument("--sub-quad-kv-chunk-size", type=int, default=None, help="keys a chunk")
parser.add_argument("--sub-quad-chunk-threshold", type=int, default=None,
                    help="percent of free memory without chunks of keys")
parser.add_argument("--opt-split-attention-invokeai", action="store_true", help="InvokeAI attention")
parser.add_argument("--opt-split-attention-v1", action="store_true", help="the first split attention")
parser.add_argument("--opt-sdp-attention", action="store_true", help="torch's attention, all kernels")
parser.add_argument("--opt-sdp-no-mem-attention", action="store_true",
                    help="torch's, without its memory-efficient kernel")
parser.add_argument("--disable-opt-split-attention", action="store_true", help="plain attention")
parser.add_argument("--disable-nan-check", action="store_true", help="do not look for NaN in results")
parser.add_argument("--use-cpu", nargs="+", default=[], type=str.lower, help="parts that run on the CPU, or all")
parser.add_argument("--use-ipex", action="store_true", help="Intel GPUs")
parser.add_argument("--disable-model-loading-ram-optimization", action="store_true",
                    help="load weights in the plain way")

# the server
parser.add_argument("--listen", action="store_true", help="listen on every interface")
parser.add_argument("--port", type=int, default=None, help="port of the page and the API")
parser.add_argument("--show-negative-prompt", action="store_true", default=False, help="(inert)")
parser.add_argument("--ui-config-file", type=str, default=_data("ui-config.json"), help="defaults of the page")
parser.add_argument("--hide-ui-dir-config", action="store_true", help="hide folder settings on the page")
parser.add_argument("--freeze-settings", action="store_true", help="no setting can be changed")
parser.add_argument("--freeze-settings-in-sections", type=str, default=None, help="sections that cannot change")
parser.add_argument("--freeze-specific-settings", type=str, default=None, help="settings that cannot change")
parser.add_argument("--ui-settings-file", type=str, default=_data("config.json"), help="file of the settings")
parser.add_argument("--gradio-debug", action="store_true", help="gradio's debug mode")
parser.add_argument("--gradio-auth", type=str, default=None, help="user:password,… for the page")
parser.add_argument("--gradio-auth-path", type=str, default=None, help="file of user:password lines")
parser.add_argument("--gradio-img2img-tool", type=str, default=None, help="(inert)")
parser.add_argument("--gradio-inpaint-tool", type=str, default=None, help="(inert)")
parser.add_argument("--gradio-allowed-path", action="append", default=[data_path], help="folders gradio may serve")
parser.add_argument("--opt-channelslast", action="store_true", help="channels-last memory layout")
parser.add_argument("--styles-file", type=str, action="append", default=[], help="file of prompt styles")
parser.add_argument("--autolaunch", action="store_true", help="open a browser at start")
parser.add_argument("--theme", type=str, default=None, help="light or dark")
parser.add_argument("--use-textbox-seed", action="store_true", default=False, help="text box for the seed")
parser.add_argument("--disable-console-progressbars", action="store_true", default=False, help="no progress bars")
parser.add_argument("--enable-console-prompts", action="store_true", default=False, help="(inert)")
parser.add_argument("--vae-path", type=str, default=None, help="VAE file")
parser.add_argument("--disable-safe-unpickle", action="store_true", default=False, help="no check of checkpoints")
parser.add_argument("--api", action="store_true", help="the page and the API")
parser.add_argument("--api-auth", type=str, default=None, help="user:password,… for the API")
parser.add_argument("--api-log", action="store_true", help="log every API request")
parser.add_argument("--nowebui", action="store_true", help="the API without the page")
parser.add_argument("--ui-debug-mode", action="store_true", help="the page without a model")
parser.add_argument("--device-id", type=str, default=None, help="number of the GPU")
parser.add_argument("--administrator", action="store_true", default=False, help="administrator's rights")
parser.add_argument("--cors-allow-origins", type=str, default=None, help="allowed origins")
parser.add_argument("--cors-allow-origins-regex", type=str, default=None, help="allowed origins as a pattern")
parser.add_argument("--tls-keyfile", type=str, default=None, help="key for TLS")
parser.add_argument("--tls-certfile", type=str, default=None, help="certificate for TLS")
parser.add_argument("--disable-tls-verify", action="store_false", default=None, help="accept any certificate")
parser.add_argument("--server-name", type=str, default=None, help="address to listen on")
parser.add_argument("--gradio-queue", action="store_true", default=True, help="(inert)")
parser.add_argument("--no-gradio-queue", action="store_true", help="no queue in gradio")
parser.add_argument("--skip-version-check", action="store_true", help="accept any torch and xformers version")
parser.add_argument("--no-hashing", action="store_true", default=False, help="no hashes of checkpoints")
parser.add_argument("--no-download-sd-model", action="store_true", default=False, help="do not fetch a model")
parser.add_argument("--subpath", type=str, default=None, help="path under which a proxy serves the page")
parser.add_argument("--add-stop-route", action="store_true", help="(inert)")
parser.add_argument("--api-server-stop", action="store_true", help="the API may stop, restart and kill the server")
parser.add_argument("--timeout-keep-alive", type=int, default=30, help="seconds an idle connection is kept")
parser.add_argument("--disable-all-extensions", action="store_true", default=False, help="no extensions")
parser.add_argument("--disable-extra-extensions", action="store_true", default=False, help="only built-in extensions")
parser.add_argument("--skip-load-model-at-start", action="store_true", help="load the model at the first job")
parser.add_argument("--unix-filenames-sanitization", action="store_true", default=False,
                    help="file names with all that Unix allows")
parser.add_argument("--filenames-max-length", type=int, default=128, help="longest file name")
parser.add_argument("--no-prompt-history", action="store_true", help="do not write params.txt")

# of built-in extensions
parser.add_argument("--ldsr-models-path", type=str, default=_models("LDSR"), help="LDSR models")
parser.add_argument("--lora-dir", type=str, default=_models("Lora"), help="Lora networks")
parser.add_argument("--lyco-dir-backcompat", type=str, default=_models("LyCORIS"), help="LyCORIS networks")
parser.add_argument("--scunet-models-path", type=str, default=_models("ScuNET"), help="ScuNET models")
parser.add_argument("--swinir-models-path", type=str, default=_models("SwinIR"), help="SwinIR models")
