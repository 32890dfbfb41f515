"""Every error message that the program foresees, collected from its source: its fixed words, ``…`` for the rest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

REST = "…"
WORD = re.compile(r"[A-Za-z]{3}")
FIELD = re.compile(r"(?<!\{)\{(\w*)[^{}]*\}(?!\})")
"""What is filled in, with its name."""
TRANSLATED = {"_", "N_", "ngettext"}
"""The message is their argument, whatever it is in another language."""
DEPTH = 4
"""So many steps a text is followed back: a name to what it was given, a parameter to the calls."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Message:
    """One message: its text with ``…`` for what is filled in, its exit code, and where it is built."""

    text: str
    code: int
    place: str


def messages(package: Path) -> list[Message]:
    """All messages of the errors of ``package``, and of those that its command line prints by itself."""
    return sorted(set(_Source(package).messages()))


class _Source:
    def __init__(self, package: Path) -> None:
        self._root = package.parent
        self._trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))}
        self._inside: dict[ast.AST, Function] = {}
        self._calls: dict[str, list[tuple[Path, ast.Call]]] = {}
        for path, tree in self._trees.items():
            for node in ast.walk(tree):  # outer functions come first, so that the innermost one stays
                if isinstance(node, Function):
                    self._inside.update((child, node) for child in ast.walk(node) if child is not node)
                if isinstance(node, ast.Call):
                    self._calls.setdefault(_name(node.func), []).append((path, node))
        self._codes = self._classes()

    def _classes(self) -> dict[str, int]:
        """Each error class with its exit code, from the base down."""
        known = {"AutotuneError": 1}
        nodes = [node for tree in self._trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        while True:
            fresh = [
                node for node in nodes
                if node.name not in known and {_name(base) for base in node.bases} & set(known)
            ]
            if not fresh:
                return known
            for node in fresh:
                base = next(_name(base) for base in node.bases if _name(base) in known)
                own = [
                    one.value.value for one in node.body
                    if isinstance(one, ast.Assign) and _name(one.targets[0]) == "code"
                    and isinstance(one.value, ast.Constant)
                ]
                known[node.name] = int(str(own[0])) if own else known[base]

    def messages(self) -> Iterator[Message]:
        builders = self._builders()
        for name, code in self._codes.items():
            built = [] if name in builders else self._calls.get(name, [])
            for path, call in [*built, *builders.get(name, [])]:
                text = _message(call)
                if text is not None:
                    yield from self._of(path, call, text, code)
        for path, call in self._calls.get("print_error", []):
            if isinstance(call.args[0], ast.Constant):
                yield from self._of(path, call, call.args[1], int(str(call.args[0].value)))

    def _builders(self) -> dict[str, list[tuple[Path, ast.Call]]]:
        """Of each error class that builds its message itself: where it hands the message to its base."""
        found: dict[str, list[tuple[Path, ast.Call]]] = {}
        for path, tree in self._trees.items():
            for kind in ast.walk(tree):
                if isinstance(kind, ast.ClassDef) and kind.name in self._codes and kind.name != "AutotuneError":
                    calls = [one for one in ast.walk(kind) if isinstance(one, ast.Call)]
                    handed = [one for one in calls if _name(one.func) == "__init__" and _message(one) is not None]
                    # One that only passes on what it was given is looked at where it is raised.
                    given = [one for one in handed if self._own_words(_message(one))]
                    if given:
                        found[kind.name] = [(path, one) for one in given]
        return found

    @staticmethod
    def _own_words(text: ast.expr | None) -> bool:
        constants = [one.value for one in ast.walk(text) if isinstance(one, ast.Constant)] if text is not None else []
        return any(isinstance(one, str) and WORD.search(one) for one in constants)

    def _of(self, path: Path, call: ast.Call, text: ast.expr, code: int) -> Iterator[Message]:
        given = self._first_of_answers(text.value) if isinstance(text, ast.Starred) else [(path, text)]
        for found in [found for place, one in given for found in self._texts(place, one, DEPTH)]:
            yield Message(_tidy(found), code, f"{path.relative_to(self._root).as_posix()}:{call.lineno}")

    def _first_of_answers(self, pair: ast.expr) -> list[tuple[Path, ast.expr]]:
        """The messages of ``Error(*pair)``: ``pair`` was returned by a function, message and hint."""
        inside = self._inside.get(pair)
        asked = _assigned(inside, pair.id) if inside is not None and isinstance(pair, ast.Name) else []
        called = {_name(call.func) for value in asked for call in ast.walk(value) if isinstance(call, ast.Call)}
        return [
            (path, one.value.elts[0]) for path, tree in self._trees.items() for one in ast.walk(tree)
            if isinstance(one, ast.Return) and isinstance(one.value, ast.Tuple) and one in self._inside
            and self._inside[one].name in called
        ]

    def _texts(self, path: Path, node: ast.expr, depth: int) -> list[str]:
        """All texts that an expression may come to."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else [REST]
        if isinstance(node, ast.IfExp):
            return self._texts(path, node.body, depth) + self._texts(path, node.orelse, depth)
        if isinstance(node, ast.BoolOp):
            return [text for value in node.values for text in self._texts(path, value, depth)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            pairs = product(self._texts(path, node.left, depth), self._texts(path, node.right, depth))
            return ["".join(pair) for pair in pairs]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return [re.sub(r"%[-+# 0-9.]*[a-zA-Z]", REST, text) for text in self._texts(path, node.left, depth)]
        if isinstance(node, ast.Call) and _name(node.func) in TRANSLATED and isinstance(node.func, ast.Name):
            return [text for one in node.args[:2] for text in self._texts(path, one, depth)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self._called(path, node, node.func, depth)
        if isinstance(node, ast.Subscript):
            return self._in_table(path, node.value, depth) or [REST]
        if isinstance(node, ast.JoinedStr):
            return self._joined(path, node, depth)
        if isinstance(node, ast.Name) and depth:
            return self._named(path, node, depth - 1) or [REST]
        return [REST]

    def _called(self, path: Path, call: ast.Call, method: ast.Attribute, depth: int) -> list[str]:
        if method.attr == "format":
            texts = self._texts(path, method.value, depth)
            return [one for text in texts for one in self._filled(path, text, call, depth)]
        if method.attr == "get":
            table = self._in_table(path, method.value, depth)
            others = [text for one in call.args[1:] for text in self._texts(path, one, depth)]
            return table + others if table else [REST]
        return [REST]

    def _filled(self, path: Path, text: str, call: ast.Call, depth: int) -> list[str]:
        plain = FIELD.sub(REST, text).replace("{{", "{").replace("}}", "}")
        if WORD.search(plain):
            return [plain]
        # Nothing but what is filled in: the words are those of a part, as in an f-string.
        given = {word.arg: word.value for word in call.keywords}
        parts = [
            [one if " " in one else REST for one in self._texts(path, given[name], depth)] if name in given else [REST]
            for name in re.findall(FIELD, text)
        ]
        return [self._put_in(text, one) for one in product(*parts)]

    @staticmethod
    def _put_in(text: str, parts: tuple[str, ...]) -> str:
        left = list(parts)
        return FIELD.sub(lambda _: left.pop(0), text)

    def _in_table(self, path: Path, node: ast.expr, depth: int) -> list[str]:
        """All texts of a table that stands there, in the function or in the file."""
        tables = [node]
        if isinstance(node, ast.Name):
            scopes = [scope for scope in (self._inside.get(node), self._trees[path]) if scope is not None]
            tables = next((given for scope in scopes if (given := _assigned(scope, node.id))), [])
        values = [value for table in tables if isinstance(table, ast.Dict) for value in table.values]
        return [text for value in values for text in self._texts(path, value, depth)]

    def _joined(self, path: Path, node: ast.JoinedStr, depth: int) -> list[str]:
        plain = "".join(str(one.value) if isinstance(one, ast.Constant) else REST for one in node.values)
        if WORD.search(plain):
            return [plain]
        # Nothing but what is filled in: the words are those of a part.
        parts = [
            [text if " " in text else REST for text in self._texts(path, one.value, depth)]
            if isinstance(one, ast.FormattedValue) else self._texts(path, one, depth) for one in node.values
        ]
        return ["".join(one) for one in product(*parts)]

    def _named(self, path: Path, node: ast.Name, depth: int) -> list[str]:
        """What a name was given: in its function, by the function's callers, or in its file."""
        inside = self._inside.get(node)
        if inside is not None:
            given = _assigned(inside, node.id)
            if given:
                return [text for value in given for text in self._texts(path, value, depth)]
            names = [one.arg for one in (*inside.args.posonlyargs, *inside.args.args)]
            if node.id in names:
                return self._from_calls(inside, names, node.id, depth)
        given = [value for value in _assigned(self._trees[path], node.id) if value not in self._inside]
        return [text for value in given for text in self._texts(path, value, depth)]

    def _from_calls(self, function: Function, names: list[str], name: str, depth: int) -> list[str]:
        at = names.index(name) - (names[0] in ("self", "cls"))
        found: list[str] = []
        for path, call in self._calls.get(function.name, []):
            named = [word.value for word in call.keywords if word.arg == name]
            value = named[0] if named else call.args[at] if 0 <= at < len(call.args) else None
            if value is not None:
                found += self._texts(path, value, depth)
        return found


def _assigned(scope: ast.AST, name: str) -> list[ast.expr]:
    return [
        node.value for node in ast.walk(scope)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
        and name in {_name(target) for target in (node.targets if isinstance(node, ast.Assign) else [node.target])}
    ]


def _message(call: ast.Call) -> ast.expr | None:
    """The message that an error is built with: its first argument, or the one of that name."""
    return call.args[0] if call.args else next((one.value for one in call.keywords if one.arg == "message"), None)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _tidy(text: str) -> str:
    return re.sub(rf"(?:{REST}\s*)+{REST}", REST, re.sub(r"\s+", " ", text)).strip()
