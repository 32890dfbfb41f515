"""No sentence for people stands outside the catalogue; what stays English stands in a list, with the reason."""

from __future__ import annotations

import ast

import pytest

from tests.language.catalogue import APART
from tests.language.english_only import MARKS, allowed, matches, sentences
from tests.source import PACKAGE, files

FILES = {f"autotune/{path.relative_to(PACKAGE).as_posix()}": path for path in files().values()}
ALLOWED = allowed()


def room(name: str) -> str:
    return name.split("/")[1].removesuffix(".py")


@pytest.mark.parametrize("name", [name for name in FILES if room(name) != APART])
def test_every_sentence_is_in_the_catalogue_or_said_to_stay_english(name: str) -> None:
    entries = [entry for texts in ALLOWED.get(name, {}).values() for entry in texts]
    found = sentences(FILES[name].read_text(encoding="utf-8"))
    assert [f"{name}:{line}: {text}" for line, text in found if not any(matches(text, one) for one in entries)] == []


def test_every_entry_of_the_lists_is_needed() -> None:
    unneeded = []
    for name, reasons in ALLOWED.items():
        texts = [text for _, text in sentences(FILES[name].read_text(encoding="utf-8"))] if name in FILES else []
        unneeded += [f"{name}: {entry}" for entries in reasons.values() for entry in entries
                     if not any(matches(text, entry) for text in texts)]
    assert unneeded == []


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_translated_while_a_module_is_loaded(name: str) -> None:
    """Then the language is not settled yet; and a function whose `_` is something else cannot translate."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    assert early(tree) == []
    assert hidden(tree) == []
    assert nested(tree) == []


def early(tree: ast.Module) -> list[int]:
    """Lines in which `_()` or `ngettext()` runs when the module is loaded."""
    found: list[int] = []

    def walk(node: ast.AST, inside: bool) -> None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS - {"N_"}:
            found.extend([] if inside else [node.lineno])
        late = set[ast.AST]()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            late = set(node.body)
        elif isinstance(node, ast.Lambda):
            late = {node.body}
        for child in ast.iter_child_nodes(node):
            walk(child, inside or child in late)

    walk(tree, False)
    return found


def nested(tree: ast.Module) -> list[int]:
    """Lines of f-strings with a `_()` inside, which the extraction does not look into, or as its text."""
    return [
        one.lineno for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) and _marked(one)] + [
        one.lineno for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
        and one.func.id in MARKS and one.args and isinstance(one.args[0], ast.JoinedStr)]


def _marked(text: ast.JoinedStr) -> bool:
    """Whether a sentence of its own stands in an f-string; a name that is looked up in a table may."""
    return any(isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in MARKS and one.args
               and isinstance(one.args[0], ast.Constant) for one in ast.walk(text))


def hidden(tree: ast.Module) -> list[int]:
    """Lines of functions (or the module) that call `_()` and give `_` another value."""
    found = []
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module):
            own = list(_own(scope))
            binds = any((isinstance(one, ast.Name) and one.id == "_" and isinstance(one.ctx, ast.Store))
                        or (isinstance(one, ast.arg) and one.arg == "_") for one in own)
            calls = [one for one in ast.walk(scope) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
                     and one.func.id == "_"]
            found += [calls[0].lineno] if binds and calls else []
    return found


def _own(scope: ast.AST) -> list[ast.AST]:
    """The nodes of a scope, without those of functions and comprehensions in it, which have names of their own."""
    found, todo = list[ast.AST](), list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ListComp | ast.SetComp
                          | ast.DictComp | ast.GeneratorExp):
            todo.extend(ast.iter_child_nodes(node))
    return found


@pytest.mark.parametrize(("code", "found"), [
    ('say("the web UI ended")', ["the web UI ended"]),
    ('say(f"{n} times it ended")', ["{} times it ended"]),
    ('say("a" if x else "not in effect here")', ["not in effect here"]),
    ('say(_("the web UI ended"))', []),
    ('say(_("it ended {n} times").format(n=len("in two words")))', ["in two words"]),
    ('def f():\n    """A docstring of words."""\n    return "--opt-sdp --no-half"', []),
    ('option("--x", help="in these words")', []),
    (r'find(r"\bout of memory\b", "(?i:out of memory)")', []),
    ('X = N_("said later on")', []),
    ('say("""SELECT""", "models/Stable-diffusion", "a_b c=d")', []),
])
def test_what_is_outside_is_found(code: str, found: list[str]) -> None:
    assert [text for _, text in sentences(code)] == found


@pytest.mark.parametrize(("code", "lines"), [
    ('X = _("a")', [1]), ('def f(x=_("a")):\n    pass', [1]), ('def f():\n    return _("a")', []),
    ('X = lambda: _("a")', []), ('class A:\n    x = _("a")', [2]), ('@d(_("a"))\ndef f(): pass', [1]),
])
def test_what_is_translated_early_is_found(code: str, lines: list[int]) -> None:
    assert early(ast.parse(code)) == lines


@pytest.mark.parametrize(("code", "lines"), [
    ('f"{a} {_(\'b c\')}"', [1]), ('_(f"{a} b")', [1]), ('f"{_(TABLE[a])}: {b}"', []), ('_("{a} b").format(a=a)', []),
])
def test_a_sentence_in_an_f_string_is_found(code: str, lines: list[int]) -> None:
    assert nested(ast.parse(code)) == lines


@pytest.mark.parametrize(("code", "lines"), [
    ('def f():\n    a, _ = g()\n    return _("a")', [3]), ('def f():\n    for _ in g():\n        _("a")', [3]),
    ('def f():\n    return [_("a") for x in g()]', []), ('def f():\n    return [1 for _ in g()], _("a")', []),
    ('def f(_):\n    return _("a")', [2]), ('def f():\n    a, _ = g()', []),
])
def test_a_hidden_name_is_found(code: str, lines: list[int]) -> None:
    assert hidden(ast.parse(code)) == lines
