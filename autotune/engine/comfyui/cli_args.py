"""The command line of ComfyUI 0.26: its flags, their values, and which of them exclude each other.

`create` copies this file to comfy/cli_args.py of an install, and the server there takes its parser from that copy.
It stands alone: only the standard library. Help texts are ours. `autotune/engine/comfyui/inert.py` lists the flags
that act here.
"""

from __future__ import annotations

import argparse
import enum
from collections.abc import Sequence
from pathlib import Path


class LatentPreviewMethod(enum.Enum):
    """How previews are drawn while a sampler runs."""

    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"


class PerformanceFeature(enum.Enum):
    """The words that --fast takes."""

    Fp16Accumulation = "fp16_accumulation"
    Fp8MatrixMultiplication = "fp8_matrix_mult"
    CublasOps = "cublas_ops"
    AutoTune = "autotune"


class EnumAction(argparse.Action):
    """Takes one of an enumeration's values and stores its member."""

    def __init__(self, option_strings: Sequence[str], dest: str, type: type[enum.Enum],
                 default: enum.Enum | None = None, help: str | None = None) -> None:
        values = tuple(str(member.value) for member in type)
        super().__init__(option_strings, dest, default=default, choices=values, metavar=f"[{','.join(values)}]",
                         help=help)
        self.members = type

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object,  # noqa: ARG002
                 option_string: str | None = None) -> None:  # noqa: ARG002 - argparse gives them
        setattr(namespace, self.dest, self.members(values))


def is_valid_directory(path: str) -> str:
    """The path, if it is a folder; else argparse's own error."""
    if not Path(path).is_dir():
        what = "is not a directory." if Path(path).exists() else "does not exist."
        start = f"'{path}'" if Path(path).exists() else f"The path '{path}'"
        raise argparse.ArgumentTypeError(f"{start} {what}")
    return path


parser = argparse.ArgumentParser()

# the server
parser.add_argument("--listen", type=str, default="127.0.0.1", metavar="IP", nargs="?", const="0.0.0.0,::",
                    help="addresses to listen on, by commas; without a value all")
parser.add_argument("--port", type=int, default=8188, help="port to listen on")
parser.add_argument("--tls-keyfile", type=str, help="key for TLS")
parser.add_argument("--tls-certfile", type=str, help="certificate for TLS")
parser.add_argument("--enable-cors-header", type=str, default=None, metavar="ORIGIN", nargs="?", const="*",
                    help="allow requests of pages of other origins")
parser.add_argument("--max-upload-size", type=float, default=100, help="largest upload, MB")

# places
parser.add_argument("--base-directory", type=str, default=None,
                    help="folder of models, custom_nodes, input, output, temp and user")
parser.add_argument("--extra-model-paths-config", type=str, default=None, metavar="PATH", nargs="+", action="append",
                    help="files in YAML with further folders")
parser.add_argument("--output-directory", type=str, default=None, help="folder of what is saved")
parser.add_argument("--temp-directory", type=str, default=None, help="folder in which the folder temp is made")
parser.add_argument("--input-directory", type=str, default=None, help="folder of pictures to load")
parser.add_argument("--auto-launch", action="store_true", help="open a browser at start")
parser.add_argument("--disable-auto-launch", action="store_true", help="open no browser")

# the device
parser.add_argument("--cuda-device", type=str, default=None, metavar="DEVICE_ID",
                    help="numbers of the only GPUs that are seen, by commas")
parser.add_argument("--default-device", type=int, default=None, metavar="DEFAULT_DEVICE_ID",
                    help="number of the GPU that is used; the others are still seen")
cm_group = parser.add_mutually_exclusive_group()
cm_group.add_argument("--cuda-malloc", action="store_true", help="use cudaMallocAsync, as by default")
cm_group.add_argument("--disable-cuda-malloc", action="store_true", help="use torch's own allocator")

# numbers
fp_group = parser.add_mutually_exclusive_group()
fp_group.add_argument("--force-fp32", action="store_true", help="32 bit everywhere")
fp_group.add_argument("--force-fp16", action="store_true", help="16 bit everywhere")
fpunet_group = parser.add_mutually_exclusive_group()
fpunet_group.add_argument("--fp32-unet", action="store_true", help="diffusion model in fp32")
fpunet_group.add_argument("--fp64-unet", action="store_true", help="diffusion model in fp64")
fpunet_group.add_argument("--bf16-unet", action="store_true", help="diffusion model in bf16")
fpunet_group.add_argument("--fp16-unet", action="store_true", help="diffusion model in fp16")
fpunet_group.add_argument("--fp8_e4m3fn-unet", action="store_true", help="weights of the diffusion model in fp8 e4m3fn")
fpunet_group.add_argument("--fp8_e5m2-unet", action="store_true", help="weights of the diffusion model in fp8 e5m2")
fpunet_group.add_argument("--fp8_e8m0fnu-unet", action="store_true",
                          help="weights of the diffusion model in fp8 e8m0fnu")
fpvae_group = parser.add_mutually_exclusive_group()
fpvae_group.add_argument("--fp16-vae", action="store_true", help="VAE in fp16")
fpvae_group.add_argument("--fp32-vae", action="store_true", help="VAE in fp32")
fpvae_group.add_argument("--bf16-vae", action="store_true", help="VAE in bf16")
parser.add_argument("--cpu-vae", action="store_true", help="VAE on the CPU")
fpte_group = parser.add_mutually_exclusive_group()
fpte_group.add_argument("--fp8_e4m3fn-text-enc", action="store_true", help="text encoder in fp8 e4m3fn")
fpte_group.add_argument("--fp8_e5m2-text-enc", action="store_true", help="text encoder in fp8 e5m2")
fpte_group.add_argument("--fp16-text-enc", action="store_true", help="text encoder in fp16")
fpte_group.add_argument("--fp32-text-enc", action="store_true", help="text encoder in fp32")
fpte_group.add_argument("--bf16-text-enc", action="store_true", help="text encoder in bf16")
parser.add_argument("--fp16-intermediates", action="store_true", help="fp16 for what goes between nodes")
parser.add_argument("--force-channels-last", action="store_true", help="channels-last memory layout")
parser.add_argument("--directml", type=int, nargs="?", metavar="DIRECTML_DEVICE", const=-1, help="torch-directml")
parser.add_argument("--oneapi-device-selector", type=str, default=None, metavar="SELECTOR_STRING",
                    help="Intel devices to use")
parser.add_argument("--supports-fp8-compute", action="store_true", help="take it that the device computes in fp8")
parser.add_argument("--enable-triton-backend", action="store_true", help="Triton in comfy-kitchen")

# previews
parser.add_argument("--preview-method", type=LatentPreviewMethod, default=LatentPreviewMethod.NoPreviews,
                    help="previews of sampler nodes", action=EnumAction)
parser.add_argument("--preview-size", type=int, default=512, help="largest preview, pixels")

# results that are kept
cache_group = parser.add_mutually_exclusive_group()
cache_group.add_argument("--cache-ram", nargs="*", type=float, default=[], metavar="GB",
                         help="keep results while so much memory is free, as by default: this prompt's, earlier ones'")
cache_group.add_argument("--cache-classic", action="store_true", help="keep the results of the last prompt")
cache_group.add_argument("--cache-lru", type=int, default=0, help="keep so many results")
cache_group.add_argument("--cache-none", action="store_true", help="keep nothing")
cache_group.add_argument("--high-ram", action="store_true", help="for much main memory; keeps as --cache-classic")

# attention
attn_group = parser.add_mutually_exclusive_group()
attn_group.add_argument("--use-split-cross-attention", action="store_true", help="split attention")
attn_group.add_argument("--use-quad-cross-attention", action="store_true", help="sub-quadratic attention")
attn_group.add_argument("--use-pytorch-cross-attention", action="store_true", help="torch's own attention")
attn_group.add_argument("--use-sage-attention", action="store_true", help="SageAttention, an extra package")
attn_group.add_argument("--use-flash-attention", action="store_true", help="FlashAttention, an extra package")
parser.add_argument("--disable-xformers", action="store_true", help="no xformers")
upcast = parser.add_mutually_exclusive_group()
upcast.add_argument("--force-upcast-attention", action="store_true", help="attention in fp32")
upcast.add_argument("--dont-upcast-attention", action="store_true", help="attention never in fp32")

# the manager
parser.add_argument("--enable-manager", action="store_true", help="ComfyUI-Manager")
manager_group = parser.add_mutually_exclusive_group()
manager_group.add_argument("--disable-manager-ui", action="store_true", help="ComfyUI-Manager without its page")
manager_group.add_argument("--enable-manager-legacy-ui", action="store_true", help="ComfyUI-Manager with its old page")

# memory
vram_group = parser.add_mutually_exclusive_group()
vram_group.add_argument("--gpu-only", action="store_true", help="keep and run everything on the GPU")
vram_group.add_argument("--highvram", action="store_true", help="keep models on the GPU after use")
vram_group.add_argument("--lowvram", action="store_true", help="text encoders on the CPU, models in parts")
vram_group.add_argument("--novram", action="store_true", help="when --lowvram is not enough")
vram_group.add_argument("--cpu", action="store_true", help="everything on the CPU")
parser.add_argument("--reserve-vram", type=float, default=None, help="GB of GPU memory left to others")
parser.add_argument("--vram-headroom", type=float, default=0, help="further GB that dynamic VRAM leaves free")
parser.add_argument("--async-offload", nargs="?", const=2, type=int, default=None, metavar="NUM_STREAMS",
                    help="move weights while computing, in so many streams")
parser.add_argument("--disable-async-offload", action="store_true", help="do not move weights while computing")
parser.add_argument("--disable-dynamic-vram", action="store_true", help="load models by estimates")
parser.add_argument("--enable-dynamic-vram", action="store_true", help="dynamic VRAM where it is not the default")
parser.add_argument("--fast-disk", action="store_true", help="offload to disk rather than to memory")
parser.add_argument("--force-non-blocking", action="store_true", help="copies that do not wait, everywhere")
parser.add_argument("--default-hashing-function", type=str, choices=["md5", "sha1", "sha256", "sha512"],
                    default="sha256", help="how files are compared")
parser.add_argument("--disable-smart-memory", action="store_true", help="take models off the GPU after each prompt")
parser.add_argument("--deterministic", action="store_true", help="deterministic algorithms of torch")
parser.add_argument("--fast", nargs="*", type=PerformanceFeature,
                    help="optimizations that may cost quality, all without a value: "
                         + " ".join(member.value for member in PerformanceFeature))
parser.add_argument("--debug-hang", action="store_true", help="Ctrl+C shows where it hangs")
parser.add_argument("--disable-pinned-memory", action="store_true", help="no pinned memory")
parser.add_argument("--mmap-torch-files", action="store_true", help="map .ckpt and .pt files")
parser.add_argument("--disable-mmap", action="store_true", help="do not map safetensors files")

# the program
parser.add_argument("--dont-print-server", action="store_true", help="do not print the address")
parser.add_argument("--quick-test-for-ci", action="store_true", help="end after the start")
parser.add_argument("--windows-standalone-build", action="store_true", help="what the portable build for Windows sets")
parser.add_argument("--disable-metadata", action="store_true", help="no graph in saved files")
parser.add_argument("--disable-all-custom-nodes", action="store_true", help="no custom nodes")
parser.add_argument("--whitelist-custom-nodes", type=str, nargs="+", default=[],
                    help="folders of custom nodes that are loaded all the same")
parser.add_argument("--disable-api-nodes", action="store_true", help="nothing that uses services, on the page neither")
parser.add_argument("--multi-user", action="store_true", help="a folder for each user")
parser.add_argument("--verbose", default="INFO", const="DEBUG", nargs="?",
                    choices=["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], help="what is logged")
parser.add_argument("--log-stdout", action="store_true", help="log to stdout")
parser.add_argument("--front-end-version", type=str, default="comfyanonymous/ComfyUI@latest",
                    help="version of the page, OWNER/NAME@VERSION")
parser.add_argument("--front-end-root", type=is_valid_directory, default=None, help="folder of the page")
parser.add_argument("--user-directory", type=is_valid_directory, default=None, help="folder of settings and workflows")
parser.add_argument("--enable-compress-response-body", action="store_true", help="compress answers")
parser.add_argument("--comfy-api-base", type=str, default="https://api.comfy.org", help="address of services")
parser.add_argument("--database-url", type=str,
                    default=f"sqlite:///{Path(__file__).resolve().parent.parent / 'user' / 'comfyui.db'}",
                    help="the database; sqlite:///:memory: keeps none")
parser.add_argument("--enable-assets", action="store_true", help="an index of models, input and output")
parser.add_argument("--feature-flag", type=str, action="append", default=[], metavar="KEY[=VALUE]",
                    help="a feature that the page asks for")
parser.add_argument("--list-feature-flags", action="store_true", help="list the known features, then end")


def finished(parsed: argparse.Namespace) -> argparse.Namespace:
    """What flags say together: the same namespace, with what they imply. More than two values of --cache-ram end it."""
    if len(parsed.cache_ram) > 2:
        parser.error("--cache-ram accepts at most two values: active GB and inactive GB")
    parsed.cache_classic = parsed.cache_classic or parsed.high_ram
    parsed.auto_launch = (parsed.auto_launch or parsed.windows_standalone_build) and not parsed.disable_auto_launch
    parsed.fp16_unet = parsed.fp16_unet or parsed.force_fp16
    parsed.enable_manager = parsed.enable_manager or parsed.enable_manager_legacy_ui
    parsed.fast = set() if parsed.fast is None else set(parsed.fast or PerformanceFeature)
    return parsed


args = finished(parser.parse_args([]))
"""The flags in force; the start replaces them with those of the command line."""
