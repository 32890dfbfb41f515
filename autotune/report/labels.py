"""Short readable names for effective sets: what differs between the sets of one study, nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from autotune.language.translate import N_, _

# Values that a label leaves out: they are what a set has without any flag.
_QUIET = {"off", "none", "false", "no", "autocast", "default", ""}
_WORDS = {
    ("channelslast", "on"): N_("channels last"),
    ("upcast", "on"): N_("upcast sampling"),
    ("precision", "half"): N_("half precision"),
    ("precision", "full"): N_("full precision"),
    ("memory", "medvram"): "medvram",
    **{("memory", mode): mode for mode in ("lowvram", "novram", "highvram", "gpu-only")},
    ("batch_cond_uncond", "off"): N_("conds one by one"),
    ("unet", "fp32"): "UNet fp32",
    ("vae", "fp32"): "VAE fp32",
}


def identity(effective: object) -> str:
    """The canonical id of an effective set, given as that id or as a mapping of its parts."""
    if isinstance(effective, Mapping):
        return " ".join(f"{name}={_plain(value)}" for name, value in effective.items() if value != "default")
    return str(effective) if effective else ""


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def parts(candidate: str) -> dict[str, str]:
    """A canonical id ("attention=sdp vae=fp16 …") as its parts; empty when the id is of another form."""
    found: dict[str, str] = {}
    for token in candidate.split():
        name, sep, value = token.partition("=")
        if sep:
            found[name] = value
    return found


def short(candidates: Iterable[str]) -> dict[str, str]:
    """A label for each id: its attention and what else varies among them; unique within the answer."""
    ids = list(dict.fromkeys(candidates))
    split = {one: parts(one) for one in ids}
    names = list(dict.fromkeys(name for found in split.values() for name in found))
    varying = [n for n in names if len({found.get(n, "") for found in split.values()}) > 1]
    # A part that some id leaves out is there at its default, so "none" is no default of it where another id says so.
    optional = {name for name in varying if not all(name in found for found in split.values())}
    labels = {one: _label(one, split[one], varying, optional) for one in ids}
    seen = list(labels.values())
    return {one: text if seen.count(text) == 1 else one for one, text in labels.items()}


def _label(candidate: str, found: Mapping[str, str], varying: list[str], optional: Collection[str]) -> str:
    if not found:
        return candidate
    words = [found["attention"]] if "attention" in found else []
    for name in varying:
        value = found.get(name, "")
        if name == "attention":
            continue
        known = _WORDS.get((name, value))
        quiet = value.lower() in _QUIET or (name in ("unet", "vae") and value == "fp16")
        if known:
            words.append(_(known))
        elif not quiet or (name in optional and value not in ("", "off")):
            plain = {"unet": "UNet", "vae": "VAE"}.get(name, name.replace("_", " "))
            words.append(plain if value in ("on", "true", "True") else f"{plain} {value}")
        elif (
            name not in ("channelslast", "upcast", "memory", "precision", "batch_cond_uncond")
            and value == "off"
        ):
            words.append(_("no {name}").format(name=name.replace("_", " ")))
    return ", ".join(words) or candidate
