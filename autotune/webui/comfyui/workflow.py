"""A workflow of the user's in ComfyUI's API format, rendered as it is but for its seeds.

In that format a graph is an object of nodes by their ids, a node has ``class_type`` and ``inputs``, and an input is a
value or a link [id of a node, number of its output]. ComfyUI takes a node from its cache where class and inputs of it
and of all nodes before it are those of the prompt before (comfy_execution/caching.py, CacheKeySetInputSignature). So
with other seeds every node behind a seed is computed anew, and none of them may be named as cached.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from autotune.language.translate import N_, _
from autotune.model.api import ApiProblem
from autotune.model.errors import UsageProblem
from autotune.model.workload import Workload
from autotune.workload.workflow_file import digest, is_seed, read

HINT = N_("Export it with Workflow > Export (API); where the menu has no such entry, switch on the developer options "
          "in the settings, then: Save (API Format).")
APART = 1_000_003
"""What the seeds of one graph lie apart: such that none of them is one of another clip, whose seed lies some times
``SEED_STEP`` of client.py off. Two branches of a graph may be alike but for their seeds."""
SEEDS = 1 << 31
"""All seeds are below this: some nodes of others take no more."""
MARK = "autotune_render"
"""Input that is added to a sampler or decoder that no seed reaches. It is part of the cache's key, and not given
to the node, which does not know it (get_input_data in execution.py)."""
SAMPLES, DECODES = "sampler", "decode"
"""Parts of the names of such classes, in small letters."""
LENGTHS = ("batch_size", "length", "frames", "num_frames", "video_length", "video_frames")
"""Inputs that tell the number of frames, beside the width and height of a latent picture."""
FILE = re.compile(r"[^\n]{1,400}\.\w{1,8}(?: \[(?:input|output)\])?")
"""A text that may be the name of a file. What is none in the owner's input folder is not found there."""
FOLDER_INPUT = "directory"
"""Input of VideoHelperSuite's image loaders that names a folder in the input folder."""

Nodes = dict[str, dict[str, Any]]
Place = tuple[str, str]
"""A node's id and the name of its input."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph that was read. ``seeds``: places that get a seed, those of one value together; ``marked``: nodes that get
    MARK, where no seed reaches; ``computed``: all nodes that these make anew; ``files``: what it names in the input
    folder."""

    nodes: Nodes
    seeds: tuple[tuple[Place, ...], ...]
    marked: tuple[str, ...]
    computed: tuple[str, ...]
    files: tuple[str, ...]


def completed(workload: Workload) -> Workload:
    """The workload with what can be read in its workflow: size, frames and steps, 0 where it does not tell.

    Raises UsageProblem: the file cannot be read, is not in the API format, changed since its digest was taken, has
    nothing that could be computed twice, or saves outside of the output folder.
    """
    assert workload.workflow is not None, "only a workload with a workflow can be completed"
    found = read_once(workload.workflow, workload.workflow_digest)
    width, height, frames = _size(found)
    return replace(workload, width=width, height=height, frames=frames, steps=_steps(found))


def with_seed(workload: Workload, seed: int) -> tuple[Nodes, Workflow]:
    """The nodes of one clip of the workload's workflow, with seeds that follow from ``seed`` and all else as it is, and
    what is known of the workflow.

    Raises ApiProblem where the file is not any more what it was.
    """
    assert workload.workflow is not None, "only a workload with a workflow has such a graph"
    try:
        found = read_once(workload.workflow, workload.workflow_digest)
    except UsageProblem as problem:
        raise ApiProblem("shape", problem.message) from None
    return seeded(found, seed), found


def seeded(found: Workflow, seed: int) -> Nodes:
    """The nodes with seeds that follow from ``seed``, or with MARK where there is none."""
    nodes = copy.deepcopy(found.nodes)
    for number, places in enumerate(found.seeds):
        for node, name in places:
            nodes[node]["inputs"][name] = (seed + number * APART) % SEEDS
    for node in found.marked:
        nodes[node]["inputs"][MARK] = seed
    return nodes


@functools.lru_cache(maxsize=16)
def read_once(path: str, known_digest: str | None) -> Workflow:
    """Reads and checks a file whose digest is known. Read once: a clip in the middle of a tune is like the first.

    Raises UsageProblem.
    """
    graph = read(Path(path))
    if digest(graph) != known_digest:
        raise UsageProblem(_("{path}: the workflow is not the one that was measured before").format(path=path),
                           _("Run `autotune tune` with it: it is another question."))
    return parse(graph, path)


def parse(graph: Mapping[str, Any], name: str) -> Workflow:
    """Checks a graph and finds its seeds; ``name``: the file, for messages. Raises UsageProblem."""
    nodes = _nodes(graph, name)
    _require_own_folder(nodes, name)
    seeds = _seeds(nodes)
    reached = _behind(nodes, {node for places in seeds for node, __ in places})
    marked = _without_seed(nodes, reached)
    if not reached and not marked:
        raise UsageProblem(
            _("{path}: no node has a seed, samples or decodes: nothing in it could be timed more than once").format(
                path=name), _("Give a workflow that renders a clip."))
    computed = _behind(nodes, {*reached, *marked})
    return Workflow(nodes, seeds, marked, tuple(computed), tuple(dict.fromkeys(_files(nodes))))


def _nodes(graph: Mapping[str, Any], name: str) -> Nodes:
    if isinstance(graph.get("nodes"), list):
        raise UsageProblem(_("{path}: saved for ComfyUI's page, not for its API").format(path=name), _(HINT))
    if not graph:
        raise UsageProblem(_("{path}: the workflow has no node").format(path=name), _(HINT))
    for node, value in graph.items():
        if not (isinstance(value, dict) and isinstance(value.get("class_type"), str)
                and isinstance(value.get("inputs"), dict)):
            raise UsageProblem(_("{path}: not a workflow in the API format: {node!r} is no node").format(
                path=name, node=node[:40]), _(HINT))
    return dict(graph)


def _require_own_folder(nodes: Nodes, name: str) -> None:
    """ComfyUI refuses to save outside of its output folder; a trial has another one than the user's own ComfyUI."""
    for node, value in nodes.items():
        prefix = value["inputs"].get("filename_prefix")
        if isinstance(prefix, str) and not _inside(prefix):
            raise UsageProblem(_("{path}: node {node} saves outside of the output folder").format(path=name, node=node),
                               _("Give its filename_prefix a place in the output folder."))


def _inside(prefix: str) -> bool:
    windows, depth = PureWindowsPath(prefix), 0
    if windows.drive or windows.root or PurePosixPath(prefix).is_absolute():
        return False
    for part in windows.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def link_of(value: object) -> str | None:
    """The node that an input is linked with; None for a value (``is_link`` in comfy_execution/graph_utils.py)."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int | float):
        return value[0]
    return None


def _seeds(nodes: Nodes) -> tuple[tuple[Place, ...], ...]:
    """The places of seeds, those that hold one value together, in the graph's order."""
    found: dict[int, list[Place]] = {}
    for node, value in nodes.items():
        for name, given in value["inputs"].items():
            place = (node, name) if is_seed(name, given) else None
            source = link_of(given)
            if place is None and source is not None and is_seed(name, 0):
                place = _given_by(nodes, source)
            if place is not None:
                same = found.setdefault(nodes[place[0]]["inputs"][place[1]], [])
                if place not in same:
                    same.append(place)
    return tuple(tuple(places) for places in found.values())


def _given_by(nodes: Nodes, source: str) -> Place | None:
    """The whole number that a node hands on as a seed (PrimitiveInt and its kin); None where it is not clear which it
    is, or where something else than seeds depends on that node."""
    followed: set[str] = set()
    while source in nodes and source not in followed:
        followed.add(source)
        inputs = nodes[source]["inputs"]
        numbers = [name for name, value in inputs.items() if isinstance(value, int) and not isinstance(value, bool)]
        links = [link for value in inputs.values() if (link := link_of(value)) is not None]
        if not _only_seeds(nodes, source, followed):
            return None
        if len(numbers) == 1 and not links:
            return source, numbers[0]
        if numbers or len(links) != 1:
            return None
        source = links[0]
    return None


def _only_seeds(nodes: Nodes, source: str, followed: set[str]) -> bool:
    """Whether a node's outputs go to seeds alone, or to nodes that were followed from one."""
    return all(is_seed(name, 0) or node in followed
               for node, value in nodes.items() for name, given in value["inputs"].items() if link_of(given) == source)


def _without_seed(nodes: Nodes, reached: Sequence[str]) -> tuple[str, ...]:
    """The nodes that are computed anew by force: samplers where none is behind a seed, in a graph without samplers and
    seeds its decoders."""
    samplers, decoders = ([node for node, value in nodes.items() if part in value["class_type"].lower()]
                          for part in (SAMPLES, DECODES))
    if samplers:
        return () if any(node in reached for node in samplers) else tuple(samplers)
    return () if reached else tuple(decoders)


def _behind(nodes: Nodes, begins: set[str]) -> list[str]:
    """These nodes and all that depend on them, in the graph's order."""
    users: dict[str, list[str]] = {}
    for node, value in nodes.items():
        for given in value["inputs"].values():
            source = link_of(given)
            if source is not None:
                users.setdefault(source, []).append(node)
    reached, ahead = set(begins), list(begins)
    while ahead:
        for node in users.get(ahead.pop(), ()):
            if node not in reached:
                reached.add(node)
                ahead.append(node)
    return [node for node in nodes if node in reached]


def _before(nodes: Nodes, ends: tuple[str, ...]) -> Iterator[str]:
    """The given nodes and all that they depend on, the nearest first."""
    seen: set[str] = set()
    ahead = list(ends)
    while ahead:
        node = ahead.pop(0)
        if node in seen or node not in nodes:
            continue
        seen.add(node)
        yield node
        ahead += [source for given in nodes[node]["inputs"].values() if (source := link_of(given)) is not None]


def _number(nodes: Nodes, given: object) -> int:
    """A whole number that an input has, or that the only number of a node gives it; 0 where it is not clear."""
    source = link_of(given)
    if source is not None and source in nodes:
        numbers = [value for value in nodes[source]["inputs"].values()
                   if isinstance(value, int) and not isinstance(value, bool)]
        given = numbers[0] if len(numbers) == 1 else None
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= 1 << 20 else 0


def _size(found: Workflow) -> tuple[int, int, int]:
    """Width, height and frames of the latent pictures that are sampled; 0 where no node tells."""
    for node in _before(found.nodes, found.computed):
        inputs = found.nodes[node]["inputs"]
        frames = next((_number(found.nodes, inputs[name]) for name in LENGTHS if name in inputs), 0)
        if "width" in inputs and "height" in inputs and frames:
            return _number(found.nodes, inputs["width"]), _number(found.nodes, inputs["height"]), frames
    return 0, 0, 0


def _steps(found: Workflow) -> int:
    """Steps of the first sampler or scheduler; 0 where no node tells."""
    return next((_number(found.nodes, found.nodes[node]["inputs"]["steps"])
                 for node in _before(found.nodes, found.computed) if "steps" in found.nodes[node]["inputs"]), 0)


def _files(nodes: Nodes) -> Iterator[str]:
    """Values that may name a file or folder in the input folder, "name.png [input]" as they stand."""
    for value in nodes.values():
        for name, given in value["inputs"].items():
            if isinstance(given, str) and (FILE.fullmatch(given) or name == FOLDER_INPUT):
                yield given
