"""ComfyUI's refusals and errors as ApiProblem, so that ``failures.judge`` can tell their class.

A workflow's own texts are the user's prompts: they are taken out of whatever ComfyUI says of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from autotune.language.translate import _
from autotune.model.api import ApiProblem
from autotune.webui.comfyui.graph import Graph

LONGEST = 300
"""Characters of a message that are kept."""
SHORTEST_TEXT = 3
"""Characters from which a graph's text is looked for in a message: shorter ones stand anywhere."""
_FILE = re.compile(r"\.(?:safetensors|sft|ckpt|pth?|bin|gguf|onnx|png|jpe?g|webp|gif|mp4|webm|mov|mkv|wav|mp3|flac|"
                   r"json|ya?ml|txt)\Z", re.IGNORECASE)
"""Ends the name of a model or an input file: a prompt may end in a full stop and a word, or a figure, too."""
_OF_TEXTS = re.compile(r"text|prompt|caption|string|positive|negative|lyrics|tags", re.IGNORECASE)
"""Names of inputs that hold what somebody wrote."""


def kind_of(graph: Graph, node: str) -> str:
    """What a node of the graph is, for a reader; its id where the graph has none such."""
    found = graph.prompt.get(node)
    return str(found.get("class_type") or node) if isinstance(found, dict) else node


def without_texts(message: str, graph: Graph) -> str:
    """A message without the texts of the graph that read like sentences, on one line."""
    for text in sorted(_texts(graph), key=len, reverse=True):
        for written in (text, repr(text)[1:-1]):
            message = message.replace(written, "…")
    return " ".join(message.split())[:LONGEST]


def refused(answer: object, status: int, graph: Graph) -> ApiProblem:
    """A prompt that POST /prompt did not take. ``error``: the type of the first cause, such as value_not_in_list."""
    data = answer if isinstance(answer, dict) else {}
    said = data.get("error")
    first = (said, "") if isinstance(said, dict) else ({"type": str(said or "refused")}, "")
    causes = [*_causes(data.get("node_errors"))] or [first]
    told = "; ".join(": ".join(filter(None, (node, *_words(cause)))) for cause, node in causes[:3])
    excerpt = without_texts(told, graph)
    error = str(causes[0][0].get("type") or "refused")
    return ApiProblem("status", _("ComfyUI does not take the prompt: {why}").format(why=excerpt or error),
                      status=status if status >= 400 else 400, error=error, excerpt=excerpt)


def failed(error: Mapping[str, Any], graph: Graph) -> ApiProblem:
    """A prompt that ended in an exception. ``error``: the exception's type without its module."""
    name = str(error.get("exception_type") or "Exception").rpartition(".")[2]
    node = str(error.get("node_type") or "")
    excerpt = without_texts(str(error.get("exception_message") or ""), graph)
    return ApiProblem("status", _("{node} failed: {error}: {why}").format(node=node, error=name, why=excerpt),
                      status=500, error=name, excerpt=excerpt)


def _causes(node_errors: object) -> Iterator[tuple[Mapping[str, Any], str]]:
    """(what is wrong, kind of the node) of every node that was refused."""
    for node in (node_errors if isinstance(node_errors, dict) else {}).values():
        listed = node.get("errors") if isinstance(node, dict) else None
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict):
                yield one, str(node.get("class_type") or "")


def _words(cause: Mapping[str, Any]) -> tuple[str, ...]:
    return str(cause.get("message") or cause.get("type") or ""), str(cause.get("details") or "")


def _texts(graph: Graph) -> Iterator[str]:
    """Texts of the graph that may be prompts, whole and line by line: by their input's name, or as they have a blank
    and are no file's name."""
    for node in graph.prompt.values():
        inputs = node.get("inputs") if isinstance(node, dict) else None
        for name, value in inputs.items() if isinstance(inputs, dict) else ():
            if not isinstance(value, str) or not (
                    _OF_TEXTS.search(name) or (len(value.split()) > 1 and not _FILE.search(value))):
                continue
            yield from (one for one in (value, *value.splitlines()) if len(one) >= SHORTEST_TEXT)
