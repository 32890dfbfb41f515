"""Checks a prompt before it is queued, and says in ComfyUI's words what is wrong with it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotune.engine.comfyui import nodes
from autotune.engine.values import Json

Reason = dict[str, Json]
CASTS: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
LOOKUPS = (KeyError, IndexError, TypeError)
"""What a link to a node or an output that is not there raises."""
LONG_LIST = 20
"""Longer lists are counted, not told."""


def is_link(value: Json) -> bool:
    """Whether an input is what another node gives: [its id, number of the output]."""
    return (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
            and isinstance(value[1], (int, float)))


@dataclass
class Checked:
    """What was found of a prompt: a reason against all of it, or the outputs that can be computed and the errors."""

    error: Reason | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Json] = field(default_factory=dict)


def reason(kind: str, message: str, details: str = "", **extra: Json) -> Reason:
    """One reason in the form of the API."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def prompt(graph: dict[str, Json], targets: Sequence[str] | None) -> Checked:
    """Checks the graph; ``targets``: the only output nodes to compute, None for all.

    Raises TypeError or AttributeError where the graph is none at all (a workflow of the page, say).
    """
    outputs = []
    for node_id, node in graph.items():
        kind = node["class_type"] if "class_type" in node else None  # noqa: SIM401 - a graph of something else raises
        title = node.get("_meta", {}).get("title", kind)
        if kind is None or kind not in nodes.NODE_CLASS_MAPPINGS:
            shown = title or f"ID #{node_id}"
            message = (f"Node '{shown}' has no class_type. The workflow may be corrupted or a custom node is missing."
                       if kind is None else f"Node '{shown}' not found. The custom node may not be installed.")
            return Checked(reason("missing_node_type", message, f"Node ID '#{node_id}'", node_id=node_id,
                                  class_type=kind, node_title=title))
        if nodes.is_output(kind) and (targets is None or node_id in targets):
            outputs.append(node_id)
    if not outputs:
        return Checked(reason("prompt_no_outputs", "Prompt has no outputs"))
    found, seen = Checked(), _Seen(graph)
    told: list[str] = []
    for output in outputs:
        if _sound(seen, output):
            found.outputs.append(output)
        else:
            told += [f"{one['message']}: {one['details']}" for one in seen.reasons.get(output, ())]
            _report(graph, output, seen, found)
    if not found.outputs:
        found.error = reason("prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(told))
    return found


def _sound(seen: _Seen, output: str) -> bool:
    """Whether an output and all that it needs are sound; what fails in the check itself counts against the output."""
    try:
        return seen.valid(output)
    except LOOKUPS as error:
        seen.reasons[output] = [reason("exception_during_validation", "Exception when validating node", str(error),
                                       **_raised(error))]
        return False


def _report(graph: dict[str, Json], output: str, seen: _Seen, found: Checked) -> None:
    logging.error("Failed to validate prompt for output %s:", output)
    for node_id, reasons in seen.reasons.items():
        if not reasons:
            continue
        if node_id not in found.node_errors:
            kind = graph[node_id]["class_type"]
            found.node_errors[node_id] = {"errors": reasons, "dependent_outputs": [], "class_type": kind}
            logging.error("* %s %s:", kind, node_id)
            for one in reasons:
                logging.error("  - %s: %s", one["message"], one["details"])
        found.node_errors[node_id]["dependent_outputs"].append(output)
    logging.error("Output will be ignored")


class _Seen:
    """The nodes of a graph that were checked so far. ``reasons``: what is wrong with each itself."""

    def __init__(self, graph: dict[str, Json]) -> None:
        self.graph = graph
        self.reasons: dict[str, list[Reason]] = {}
        self._valid: dict[str, bool] = {}
        self._path: list[str] = []

    def valid(self, node_id: str) -> bool:
        """Whether a node and all that it needs are sound. Raises KeyError for an unknown one."""
        if node_id in self._valid:
            return self._valid[node_id]
        if node_id in self._path:
            self._circle(node_id)
            return False
        self._path.append(node_id)
        try:
            sound = self._check(node_id)
        finally:
            self._path.pop()
        self._valid[node_id] = self._valid.get(node_id, True) and sound
        return self._valid[node_id]

    def _circle(self, node_id: str) -> None:
        path = [*self._path[self._path.index(node_id) :], node_id]
        text = " -> ".join(f"{one} ({self.graph[one]['class_type']})" for one in path)
        for one in dict.fromkeys(path):
            self._valid[one] = False
            self.reasons.setdefault(one, []).append(reason(
                "dependency_cycle", "Dependency cycle detected", text, node_id=one, cycle_nodes=path[:-1]))

    def _check(self, node_id: str) -> bool:
        node = self.graph[node_id]
        given, cls = node["inputs"], nodes.NODE_CLASS_MAPPINGS[node["class_type"]]
        wanted, own = cls.INPUT_TYPES(), self.reasons.setdefault(node_id, [])
        sound = True
        for part in ("required", "optional"):
            for name, declared in wanted.get(part, {}).items():
                if name not in given:
                    if part == "required":
                        own.append(reason("required_input_missing", "Required input is missing", name,
                                          input_name=name))
                elif isinstance(given[name], list):
                    sound = self._link(node_id, name, given[name], declared) and sound
                else:
                    own.extend(value(given, name, declared, hasattr(cls, "VALIDATE_INPUTS")))
        own.extend(_own_check(cls, given))
        return sound and not own

    def _link(self, node_id: str, name: str, link: Json, declared: Sequence[Any]) -> bool:
        """Whether what an input is linked to is sound; what is wrong with the link is noted."""
        config = list(declared)
        if len(link) != 2:
            self.reasons[node_id].append(reason(
                "bad_linked_input", "Bad linked input, must be a length-2 list of [node_id, slot_index]", name,
                input_name=name, input_config=config, received_value=link))
            return False
        given = nodes.NODE_CLASS_MAPPINGS[self.graph[link[0]]["class_type"]].RETURN_TYPES[link[1]]
        if not fits(given, declared[0]):
            self.reasons[node_id].append(reason(
                "return_type_mismatch", "Return type mismatch between linked nodes",
                f"{name}, received_type({given}) mismatch input_type({declared[0]})", input_name=name,
                input_config=config, received_type=given, linked_node=link))
            return False
        try:
            return self.valid(link[0])
        except LOOKUPS as error:
            self._valid[link[0]] = False
            self.reasons[link[0]] = [reason(
                "exception_during_inner_validation", "Exception when validating inner node", str(error),
                input_name=name, input_config=config, exception_message=str(error), linked_node=link,
                **_raised(error))]
            return False


def _raised(error: Exception) -> dict[str, Json]:
    return {"exception_type": type(error).__qualname__, "traceback": traceback.format_tb(error.__traceback__)}


def fits(given: Json, wanted: Json) -> bool:
    """Whether an output of one type may go into an input of another."""
    if isinstance(wanted, (list, tuple)):
        return given in ("COMBO", wanted)
    return "*" in (given, wanted) or set(str(given).split(",")) <= set(str(wanted).split(","))


def value(given: dict[str, Json], name: str, declared: Sequence[Any], own_check: bool) -> list[Reason]:
    """What is wrong with a plain value; it is cast to the input's type in place."""
    kind, options = declared[0], declared[1] if len(declared) > 1 else {}
    config: Json = [kind, options]
    held = given[name]
    if isinstance(held, dict) and "__value__" in held:
        held = held["__value__"]
    try:
        held = CASTS[kind](held) if isinstance(kind, str) and kind in CASTS else held
    except (TypeError, ValueError, OverflowError) as error:
        return [reason("invalid_input_type", f"Failed to convert an input value to a {kind} value",
                       f"{name}, {held}, {error}", input_name=name, input_config=config, received_value=held,
                       exception_message=str(error))]
    given[name] = held
    if own_check:
        return []
    about: dict[str, Json] = {"input_name": name, "input_config": config, "received_value": held}
    if "min" in options and held < options["min"]:
        return [reason("value_smaller_than_min", f"Value {held} smaller than min of {options['min']}", name, **about)]
    if "max" in options and held > options["max"]:
        return [reason("value_bigger_than_max", f"Value {held} bigger than max of {options['max']}", name, **about)]
    choices = list(kind) if isinstance(kind, (list, tuple)) else options.get("options") if kind == "COMBO" else None
    if choices is None or held in choices:
        return []
    shown: Json = str(choices)
    if len(choices) > LONG_LIST:
        shown, about["input_config"] = f"(list of length {len(choices)})", None
    return [reason("value_not_in_list", "Value not in list", f"{name}: {held!r} not in {shown}", **about)]


def _own_check(cls: type, given: dict[str, Json]) -> list[Reason]:
    """What a node's own check says of its values."""
    check = getattr(cls, "VALIDATE_INPUTS", None)
    if check is None:
        return []
    names = check.__code__.co_varnames[1 : check.__code__.co_argcount]
    answer = check(**{name: given[name] for name in names if name in given and not is_link(given[name])})
    if answer is True:
        return []
    tail = "" if answer is False else f" - {answer}"
    return [reason("custom_validation_failed", "Custom validation failed for node", f"{name}{tail}", input_name=name)
            for name in names]
