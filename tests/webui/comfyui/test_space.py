"""The sets of a study: each its own effect, in the fewest words, taken by the parser; the user's in its own words."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotune.flags.words import replace as replace_words
from autotune.model.errors import UsageProblem
from autotune.model.flagset import FlagSet, Space
from autotune.model.machine import Machine, Runtime
from autotune.model.workload import SEARCH_LEVELS, SearchSpec
from autotune.report import labels
from autotune.tune.document import candidate_json
from autotune.webui.comfyui import parser
from autotune.webui.comfyui.flags import known_flags, levels, rules, space
from autotune.webui.comfyui.flags.effective import describe, effective, level_of
from autotune.webui.comfyui.flags.rules import site_of
from autotune.workload import profile as profiles
from tests.webui.comfyui.machines import AMD, CPU, MPS, NEW, NVIDIA, OLD, OLD_CARD, machine
from tests.webui.comfyui.own_parsers import MOST, NEWER, OLDER, lay_out, source

FORMS = {OLD: OLDER, NEW: NEWER}
ALL = replace(NVIDIA, xformers="0.0.32",
              packages={"comfy_aimdo": "0.4.10", "sageattention": "2.2", "flash_attn": "2.8", "cublas_ops": "1"})
RUNTIMES = (NVIDIA, ALL, AMD, CPU, MPS, replace(NVIDIA, torch="2.6.0+cu124"), replace(NVIDIA, torch="1.13.1+cu117"),
            replace(NVIDIA, torch="2.14.1+cu130", cuda="13.0"))
GROUPS: tuple[tuple[str, ...], ...] = (
    ("--use-split-cross-attention", "--use-quad-cross-attention", "--use-pytorch-cross-attention",
     "--use-sage-attention", "--use-flash-attention"),
    ("--disable-xformers",), ("--force-channels-last",), ("--cuda-malloc", "--disable-cuda-malloc"),
    ("--gpu-only", "--highvram", "--lowvram", "--novram", "--cpu"), ("--disable-smart-memory",),
    ("--fast", "--fast autotune", "--fast cublas_ops fp8_matrix_mult", "--fast fp8_matrix_mult fp16_accumulation"),
    ("--cache-classic", "--cache-lru 7", "--cache-none", "--high-ram", "--cache-ram", "--cache-ram 3 5"),
    ("--async-offload", "--async-offload 3", "--disable-async-offload"), ("--disable-pinned-memory",),
    ("--enable-dynamic-vram", "--disable-dynamic-vram"), ("--fp64-unet", "--bf16-unet"), ("--fp32-vae",),
    ("--port 8190",), ("--whitelist-custom-nodes a b",), ("--deterministic",), ("--force-fp16",),
)
"""What users have on their command lines; of a group at most one."""


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An install's folder for each form of the parser."""
    return {version: lay_out(tmp_path_factory.mktemp("comfyui"), form) for version, form in FORMS.items()}


@st.composite
def _machines(draw: st.DrawFn, roots: dict[str, Path]) -> tuple[Machine, Path]:
    version = draw(st.sampled_from(sorted(FORMS)))
    runtime: Runtime = draw(st.sampled_from(RUNTIMES))
    chosen = draw(st.lists(st.sampled_from(range(len(GROUPS))), max_size=5, unique=True))
    words = [word for at in chosen for word in draw(st.sampled_from(GROUPS[at])).split()]
    root = roots[version]
    if parser.complaint(root, words) is not None:
        words = ["--port", "8190"]
    return machine(
        *words, runtime=runtime, card=draw(st.sampled_from(("NVIDIA GeForce RTX 4090", OLD_CARD))),
        memory=draw(st.sampled_from((6144.0, 24564.0))), version=version, lacks=known_flags.lacks(root)), root


def _specs() -> st.SearchStrategy[SearchSpec | None]:
    names = st.lists(st.sampled_from(sorted(SEARCH_LEVELS)), min_size=1, max_size=4, unique=True)
    return st.one_of(st.none(), names.map(
        lambda names: SearchSpec(tuple((name, SEARCH_LEVELS[name]) for name in names))))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_set_has_its_own_effect_and_is_taken(data: st.DataObject, roots: dict[str, Path]) -> None:
    seen, root = data.draw(_machines(roots))
    spec = data.draw(_specs())
    made = space.build(seen, spec)
    own, names = parser.read(root), [one.name for one in made.dimensions]
    catalogue = known_flags.load(root)
    assert describe(effective(seen.webui.flags, seen)) == made.baseline == made.candidates[0].id
    assert len({one.id for one in made.candidates}) == len(made.candidates)
    candidates = made.candidates if len(made.candidates) < 60 else made.candidates[:: len(made.candidates) // 40]
    for one in candidates:
        words = replace_words(seen.webui.flags, one.flags, catalogue, names)
        assert describe(effective(words, seen)) == one.id == one.launch_key
        assert parser.complaint_of(own, words) is None, (words, seen.webui.flags)
        assert all(catalogue.owns(one.flags.words, names))
        assert [name for name, _ in one.levels] == names
        assert all(level in row.levels for row, (_, level) in zip(made.dimensions, one.levels, strict=True))
        assert labels.identity(candidate_json(one)["effective"]) == one.id
        assert dict(one.levels) == {name: level_of(name, one.effective) for name in names}
    assert sorted(made.candidates[0].flags.words) == sorted(seen.webui.tuned_flags if spec is None else
                                                            _managed(seen, names))


def _managed(seen: Machine, names: list[str]) -> list[str]:
    catalogue = site_of(seen).catalogue
    return [word for word, ours in zip(seen.webui.flags, catalogue.owns(seen.webui.flags, names), strict=True) if ours]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_fewer_words_come_to_the_same(data: st.DataObject, roots: dict[str, Path]) -> None:
    """Judged by leaving out each subset of the words of a set that needs few."""
    seen, root = data.draw(_machines(roots))
    made = space.build(seen)
    catalogue = known_flags.load(root)
    for one in [one for one in made.candidates[1:] if len(one.flags.words) <= 4][:12]:
        if "--fast" in seen.webui.flags:
            continue  # its members that are not searched may do nothing here, and stay
        moved = set(one.flags.words) - set(seen.webui.flags)
        for gone in itertools.chain.from_iterable(itertools.combinations(sorted(moved), n) for n in (1, 2)):
            fewer = tuple(word for word in one.flags.words if word not in gone)
            words = replace_words(seen.webui.flags, FlagSet(fewer), catalogue)
            assert describe(effective(words, seen)) != one.id or parser.complaint(root, words), (one, gone)


def _ids(made: Space) -> list[str]:
    return [one.id for one in made.candidates]


@pytest.mark.parametrize(("runtime", "memory", "count"), [
    (NVIDIA, 24564.0, 192), (ALL, 24564.0, 768), (NVIDIA, 6144.0, 576), (CPU, 0.0, 12), (MPS, 0.0, 12)])
def test_the_size_of_the_default_search(runtime: Runtime, memory: float, count: int) -> None:
    assert len(space.build(machine(runtime=runtime, memory=memory)).candidates) == count


def test_ids_are_the_same_in_every_run_whatever_the_users_set() -> None:
    plain = space.build(machine("--port", "1"))
    assert _ids(plain) == _ids(space.build(machine("--port", "1")))
    assert set(_ids(plain)) == set(_ids(space.build(machine("--use-split-cross-attention", "--highvram"))))


def test_members_of_fast_are_one_flag_in_one_order() -> None:
    made = space.build(machine("--fast", "autotune", "fp8_matrix_mult"), profiles.load("comfyui-default").search)
    assert made.candidates[0].flags.words == ("--fast", "autotune", "fp8_matrix_mult")
    for one in made.candidates:
        words = one.flags.words
        assert words.count("--fast") == 1 and "fp8_matrix_mult" in words
        if one is not made.candidates[0]:
            given = [word for word in words if word in known_flags.FAST_MEMBERS.values()]
            assert given == [member for member in known_flags.FAST_MEMBERS.values() if member in given]


def test_a_bare_fast_is_left_bare_only_while_all_of_it_is_meant() -> None:
    made = space.build(machine("--fast", runtime=ALL), profiles.load("comfyui-default").search)
    for one in made.candidates:
        every = all(dict(one.levels)[name] == "on" for name in ("fp16_accumulation", "cudnn_benchmark", "cublas_ops"))
        at = one.flags.words.index("--fast")
        bare = at + 1 == len(one.flags.words) or one.flags.words[at + 1].startswith("--")
        assert bare is every


def test_what_changes_the_image_is_only_tried_when_named() -> None:
    for one in space.build(machine(runtime=ALL)).candidates:
        assert one.effective.unet == one.effective.vae == "default"
        assert not {"fp8_matrix_mult", "fp16_intermediates"} & {name for name, _ in one.effective.more}
    named = space.build(machine(), SearchSpec((("unet", ("default", "bf16")), ("fp8_matrix_mult", ("default", "on")))))
    assert {one.effective.unet for one in named.candidates} == {"default", "bf16"}


def _named(*names: str) -> SearchSpec:
    return SearchSpec(tuple((name, levels.LEVELS[name]) for name in names))


def test_more_sets_than_can_be_gone_through_are_refused() -> None:
    with pytest.raises(UsageProblem, match="sets of flags") as caught:
        space.build(machine(runtime=ALL), _named(*levels.LEVELS))
    assert "fewer" in caught.value.hint


def test_of_more_sets_than_can_be_weighed_the_last_dimensions_stay_as_they_are() -> None:
    made = space.build(machine(runtime=ALL), _named(
        "attention", "cache", "memory", "async_offload", "unet", "vae", "cuda_malloc"))
    varied = [len(one.levels) > 1 for one in made.dimensions]
    assert space.MOST_SETS / 8 < len(made.candidates) <= space.MOST_SETS
    assert varied == sorted(varied, reverse=True) and False in varied, "the first named are searched"
    assert any("more sets than can be weighed" in one.reason for one in made.excluded)


def test_levels_of_other_web_uis_are_read_or_told_apart() -> None:
    made = space.build(machine(), profiles.load("default").search)
    assert {one.name for one in made.dimensions} == {
        "attention", "channelslast", "cudnn_benchmark", "fp16_accumulation"}
    assert next(one for one in made.dimensions if one.name == "attention").levels == ("pytorch", "split", "quad")
    said = {row.flags.settings[0][0] for row in made.excluded if row.flags.settings}
    assert {"no_half_vae", "batch_cond_uncond", "sdpa_order"} <= said


REASONS = [
    (CPU, "--cpu", ("memory", "highvram"), "CUDA"),
    (NVIDIA, "", ("attention", "xformers"), "cannot be imported"),
    (NVIDIA, "", ("attention", "sage"), "sageattention"),
    (NVIDIA, "", ("cublas_ops", "on"), "cublas_ops"),
    (NVIDIA, "", ("memory", "lowvram"), "short"),
    (replace(NVIDIA, torch="2.6.0"), "", ("fp16_accumulation", "on"), "2.7"),
    (AMD, "", ("cuda_malloc", "off"), "NVIDIA"),
    (NVIDIA, "--use-ck-attention", ("attention", "split"), "stays"),
    (NVIDIA, "", ("cache", "none"), "checkpoint"),
    (NVIDIA, "", ("attention", "v1"), "not a known level"),
    (replace(NVIDIA, compute_capability="8.6"), "", ("fp8_matrix_mult", "on"), "8.9"),
    (ALL, "--cpu", ("attention", "sage"), "CUDA"),
]


@pytest.mark.parametrize(("runtime", "flags", "wanted", "said"), REASONS)
def test_what_cannot_be_had_is_left_out_with_the_reason(
    runtime: Runtime, flags: str, wanted: tuple[str, str], said: str
) -> None:
    spec = SearchSpec(((wanted[0], (wanted[1],)),))
    made = space.build(machine(*flags.split(), runtime=runtime), spec)
    assert len(made.candidates) == 1
    assert any(said in row.reason for row in made.excluded), made.excluded


@pytest.mark.parametrize("memory", [6144.0, 24564.0])
def test_modes_that_save_or_use_memory_go_by_the_gpu(memory: float) -> None:
    spec = SearchSpec((("memory", levels.LEVELS["memory"]), ("dynamic_vram", ("default", "off"))))
    found = {one.effective.memory for one in space.build(machine(memory=memory), spec).candidates}
    assert found == ({"none", "lowvram", "novram"} if memory < 8192 else {"none", "highvram", "gpu-only"})


def test_an_old_parser_is_not_given_new_flags(roots: dict[str, Path]) -> None:
    seen = machine(version=OLD, lacks=known_flags.lacks(roots[OLD]))
    said = [row.reason for row in space.build(seen, profiles.load("comfyui-default").search).excluded]
    assert any("--disable-dynamic-vram" in reason for reason in said)


def test_the_catalogue_has_what_the_parser_has(roots: dict[str, Path]) -> None:
    for version, form in FORMS.items():
        catalogue = known_flags.load(roots[version])
        assert set(catalogue.flags) == {one.name for one in form}
        assert {name: flag.takes for name, flag in catalogue.flags.items()} == {one.name: one.takes for one in form}
    assert len(known_flags.load(Path("/none")).flags) > 100


def test_an_unknown_flag_is_left_alone(tmp_path: Path) -> None:
    text = source(NEWER, MOST) + "parser.add_argument('--brand-new', nargs='*')\n"
    (tmp_path / "comfy").mkdir()
    (tmp_path / parser.SOURCE).write_text(text, encoding="utf-8")
    catalogue = known_flags.load(tmp_path)
    assert known_flags.unclassified(tmp_path) == ("--brand-new",)
    words = ("--brand-new", "a", "--highvram")
    assert replace_words(words, FlagSet(("--lowvram",)), catalogue) == ("--brand-new", "a", "--lowvram")


@pytest.mark.parametrize("own", [
    ("--cache-none",), ("--cache-lru", "3"), ("--cache-ram", "8", "4"), ("--highvram",),
    ("--cpu", "--use-split-cross-attention", "--cache-none"),
    *((flag,) for flag in (*rules.TYPES_UNET, *rules.TYPES_VAE)),
])
def test_a_set_without_its_owners_level_has_a_short_name_too(own: tuple[str, ...]) -> None:
    catalogue = known_flags.load(Path("/none"))
    named = [catalogue.flags[word].dimension for word in own if word in catalogue.flags]
    dimension = next(one for one in named if one and one != "attention")
    usual = "none" if dimension == "memory" else "default"
    spec = SearchSpec((("attention", ("pytorch", "split")), (dimension, (usual,))))
    ids = _ids(space.build(machine(*own), spec))
    assert len(ids) == 4
    names = labels.short(ids)
    assert len(set(names.values())) == len(ids) and not set(names.values()) & set(ids)


PROTECTED = ("--listen", "--port", "--base-directory", "--output-directory", "--cuda-device", "--default-device",
             "--enable-manager", "--multi-user", "--verbose", "--preview-method", "--whitelist-custom-nodes",
             "--user-directory", "--deterministic", "--reserve-vram", "--cpu")


@pytest.mark.parametrize("flag", PROTECTED)
def test_what_is_never_managed(flag: str) -> None:
    catalogue = known_flags.load(Path("/none"))
    assert flag in catalogue.flags and flag not in catalogue.managed(tuple(SEARCH_LEVELS))


def test_every_level_is_one_that_a_profile_may_name() -> None:
    for name, known in levels.LEVELS.items():
        assert set(known) <= set(SEARCH_LEVELS[name])


def test_each_set_has_a_short_name_of_its_own() -> None:
    ids = _ids(space.build(machine("--use-split-cross-attention", "--cache-ram", "4", runtime=ALL)))
    names = labels.short(ids)
    assert len(set(names.values())) == len(ids) and not set(names.values()) & set(ids)
    plain = labels.short(_ids(space.build(machine())))
    assert "pytorch" in plain.values() and "pytorch, no cuda malloc, cudnn benchmark" in plain.values()
    assert "split, highvram, cache classic" in plain.values()
