"""Tells which variables a bash command may change.

The rule: a command that is not known to change nothing may have changed any variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from autotune.launchfile.sh_tree import Node, end_of, source_of, type_of, walk
from autotune.launchfile.sh_words import NAME
from autotune.launchfile.sh_words import names as _set_of

CHANGE_NOTHING = _set_of(
    ": true false echo [ test pwd type hash umask ulimit times kill jobs disown dirs help shift break continue "
    "alias unalias caller")
"""Builtins that change no variable, whatever their arguments (``[`` and ``test`` but for ``-v name[...]``)."""
OTHER_BUILTINS = _set_of(
    ". source eval exec exit return trap enable builtin command set shopt cd pushd popd read mapfile readarray getopts "
    "printf unset export declare typeset local readonly let wait fc fg bg bind history complete compgen compopt logout "
    "suspend coproc time")
FUNCTIONS_OF_START_FILES = _set_of(
    "conda mamba micromamba module ml nvm pyenv rbenv deactivate workon asdf direnv spack sdk fnm")
"""Programs that usually are shell functions from the user's own start files, and change variables."""
BASH_CONTROLS = _set_of("BASHOPTS BASH_COMPAT BASH_VERSINFO EUID GLOBIGNORE POSIXLY_CORRECT PPID SHELLOPTS UID")
"""Variables that are read-only or change how bash works when they are set."""

STARTERS = frozenset(("exec", "bash", "sh", "zsh", "nohup", "env", "accelerate", "source", ".", "nice", "caffeinate",
                      "command", "sudo"))
MENTION_ONLY = _set_of(
    "echo printf chmod chown cp mv ln ls cat rm touch sed grep git test [ which alias cd pip wget curl head tail diff")
"""Commands that may name the web UI's script without starting it."""
MENTIONED = re.compile(r"(?:^|[\s/;&])(?:webui\.sh|launch\.py|webui\.py)(?=$|[\s;&])")
SCRIPTS = ("webui.sh", "launch.py", "webui.py")

_SAFE_SHOPT = _set_of("nullglob globstar dotglob nocaseglob checkwinsize histappend cmdhist huponexit")
_SAFE_SET = re.compile(r"[-+][euxvmbhfCETB]+")
_SAFE_O = _set_of("errexit nounset xtrace verbose pipefail noglob monitor errtrace functrace")
_LATER = _set_of("EXIT INT TERM HUP QUIT 0 1 2 3 15 SIGINT SIGTERM SIGHUP SIGQUIT")
_ARITHMETIC = _set_of("+ - * < > <= >= == != && || ! & | ^ ~ << >> ,")
_ASSIGNING = frozenset(("=", "+=", "-=", "*=", "<<=", ">>=", "&=", "|=", "^="))
_COMPARISONS = frozenset(("=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-a", "-o", "-nt", "-ot",
                          "-ef"))
INSIDE_ANOTHER_SHELL = frozenset(("CmdSubst", "ProcSubst"))


class Effect(NamedTuple):
    """The variables that a command may change: ``names``, of these ``arrays``, or any (``changes_any``)."""

    names: tuple[str, ...] = ()
    changes_any: bool = False
    arrays: tuple[str, ...] = ()


NOTHING = Effect()
ANY = Effect(changes_any=True)
Texts = list["str | None"]
"""The literal texts of words; None where a word holds an expansion."""


def of_builtin(head: str, args: Texts) -> Effect | None:
    """The effect of the builtin ``head`` with these arguments; None where it is not known to this module."""
    if head in ("[", "test"):
        return _test(args)
    if head in CHANGE_NOTHING:
        return ANY if head == "jobs" and "-x" in args else NOTHING
    known: dict[str, Callable[[Texts], Effect]] = {
        "printf": _printf, "read": _read, "mapfile": _mapfile, "readarray": _mapfile, "getopts": _getopts, "set": _set,
        "command": _command}
    harmless: dict[str, Callable[[Texts], bool]] = {
        "shopt": lambda args: all(a in ("-s", "-u", "-q") or a in _SAFE_SHOPT for a in args),
        # A trap for the end or a signal runs too late to matter; those for DEBUG, ERR and RETURN do not.
        "trap": lambda args: args in ([], ["-p"]) or (len(args) > 1 and all(a in _LATER for a in args[1:])),
        "wait": lambda args: all(a is None or not a.startswith("-") for a in args)}
    if head in harmless:
        return NOTHING if harmless[head](args) else ANY
    if head in ("cd", "pushd", "popd"):
        return Effect(("PWD", "OLDPWD", "DIRSTACK"))
    if head in known:
        return known[head](args)
    return ANY if head in OTHER_BUILTINS or head in FUNCTIONS_OF_START_FILES else None


def _test(args: Texts) -> Effect:
    """``-v name[...]`` evaluates a subscript, which may set variables; an unknown operator could be ``-v``."""
    for number, arg in enumerate(args):
        after = args[number + 1] if number + 1 < len(args) else "]"
        if arg in ("-v", "-R") and (after is None or "[" in after.removesuffix("]")):
            return ANY
        if arg is None and number == 0 and after not in _COMPARISONS and after != "]":
            return ANY
    return NOTHING


def _printf(args: Texts) -> Effect:
    if not args or args[0] is None:
        return ANY
    if not args[0].startswith("-v"):
        return NOTHING
    name = args[0][2:] or (args[1] if len(args) > 1 else None)
    return Effect((name,)) if name and NAME.fullmatch(name) else ANY


def _names(args: Texts, valued: str, default: str) -> tuple[tuple[str, ...], str] | None:
    """The names after a builtin's options, and the letters of the options; None where a word is not known.

    ``valued``: letters that take a value; ``default``: the name where none is given.
    """
    letters, at = "", 0
    while at < len(args):
        arg = args[at]
        if arg is None:
            return None
        if not arg.startswith("-") or arg in ("-", "--"):
            break
        takes = next((k for k, c in enumerate(arg[1:], 1) if c in valued), 0)
        letters += arg[1:]
        if takes and takes == len(arg) - 1:
            at += 1
            if arg[takes] in "aA" and at < len(args) and args[at] is not None:
                letters += f"={args[at]}"
        at += 1
    names = [a for a in args[at:] if a != "--"]
    if any(n is None or not NAME.fullmatch(n) for n in names):
        return None
    return tuple(str(n) for n in names) or (default,), letters


def _read(args: Texts) -> Effect:
    found = _names(args, "adinNptu", "REPLY")
    if found is None:
        return ANY
    names, letters = found
    if "a" in letters:
        name = letters.partition("=")[2]
        return Effect((name,), arrays=(name,)) if NAME.fullmatch(name) else ANY
    return Effect(names)


def _mapfile(args: Texts) -> Effect:
    found = _names(args, "dnOsucC", "MAPFILE")
    if found is None or "C" in found[1]:
        return ANY
    return Effect(found[0], arrays=found[0])


def _getopts(args: Texts) -> Effect:
    if len(args) < 2 or args[1] is None or not NAME.fullmatch(args[1]):
        return ANY
    return Effect((args[1], "OPTARG", "OPTIND"))


def _set(args: Texts) -> Effect:
    """The effect of ``set``; ``-a`` is left to the reader."""
    at = 0
    while at < len(args):
        arg = args[at]
        if arg is None:
            return ANY
        if arg in ("--", "-") or not arg.startswith(("-", "+")):
            return NOTHING
        if arg[1:].endswith("o"):
            at += 1
            if at >= len(args) or args[at] not in _SAFE_O or not (arg[:-1] in "-+" or _SAFE_SET.fullmatch(arg[:-1])):
                return ANY
        elif not _SAFE_SET.fullmatch(arg):
            return ANY
        at += 1
    return NOTHING


def _command(args: Texts) -> Effect:
    if args and args[0] in ("-v", "-V"):
        return NOTHING
    name = args[0] if args else ""
    known = name is not None and not name.startswith("-") and name not in OTHER_BUILTINS
    return NOTHING if known and name not in FUNCTIONS_OF_START_FILES else ANY


IsInteger = Callable[[str], bool]
"""Tells whether a variable is certain to hold a plain integer or nothing."""


def of_arithmetic(node: Node | None, text: str, is_integer: IsInteger) -> Effect:
    """The effect of an arithmetic expression: any where it is not simple, for bash evaluates values as expressions."""
    names: list[str] = []
    stack = [node] if node else []
    while stack:
        one = stack.pop()
        raw = source_of(one, text)
        if type_of(one) == "ParenArithm":
            stack.append(one["X"])
        elif type_of(one) == "UnaryArithm" and one["Op"] in ("++", "--", "+", "-", "!", "~"):
            if one["Op"] in ("++", "--"):
                names.append(source_of(one["X"], text))
            stack.append(one["X"])
        elif type_of(one) == "BinaryArithm" and one["Op"] in _ARITHMETIC:
            stack += [one["X"], one["Y"]]
        elif type_of(one) == "BinaryArithm" and one["Op"] in _ASSIGNING:
            names.append(source_of(one["X"], text))
            stack += [one["Y"]] if one["Op"] == "=" else [one["X"], one["Y"]]
        elif not (type_of(one) in ("Word", "") and _plain_number(raw, is_integer)):
            return ANY
    return Effect(tuple(names)) if all(NAME.fullmatch(n) for n in names) else ANY


def _plain_number(raw: str, is_integer: IsInteger) -> bool:
    name = re.fullmatch(r"\$?([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}", raw, re.ASCII)
    if name:
        return is_integer(name.group(1) or name.group(2))
    return re.fullmatch(r"0|[1-9][0-9]{0,8}", raw) is not None


def of_words(node: Node, text: str, is_integer: IsInteger) -> Effect:
    """The effect that expanding the words below a node has in this shell: ``${X:=word}``, arithmetic, subscripts."""
    names: list[str] = []
    for one in walk(node, INSIDE_ANOTHER_SHELL):
        found = NOTHING
        if type_of(one) == "ArithmExp":
            found = of_arithmetic(one.get("X"), text, is_integer)
        elif type_of(one) == "ParamExp":
            found = _of_expansion(one, text)
        elif type_of(one) in ("ExtGlob", "BraceExp"):
            found = ANY
        elif type_of(one) == "BinaryTest" and str(one["Op"]) in ("-eq", "-ne", "-lt", "-le", "-gt", "-ge"):
            for side in (one["X"], one["Y"]):
                raw = source_of(side, text).strip('"')
                found = found if _plain_number(raw, is_integer) else ANY
        elif type_of(one) == "UnaryTest" and str(one["Op"]) in ("-v", "-R"):
            found = NOTHING if NAME.fullmatch(source_of(one["X"], text)) else ANY
        if found.changes_any:
            return ANY
        names += found.names
    return Effect(tuple(names))


def _of_expansion(node: Node, text: str) -> Effect:
    name = str((node.get("Param") or {}).get("Value", ""))
    if node.get("Excl") or node.get("Names") or node.get("NestedParam") or node.get("Flags") or node.get("Width"):
        return ANY
    if node.get("Index"):
        raw = source_of(node["Index"], text)
        if raw not in ("@", "*") and not re.fullmatch(r"0|[1-9][0-9]{0,8}", raw):
            return ANY
    for part in (node.get("Slice") or {}).values():
        if part and not re.fullmatch(r"\s*[0-9]{1,9}", source_of(part, text)):
            return ANY
    expansion = node.get("Exp") or {}
    if expansion.get("Op") in ("=", ":="):
        return Effect((name,)) if NAME.fullmatch(name) else ANY
    if expansion.get("Op") == "@" and text[end_of(node) - 2 : end_of(node) - 1] == "P":
        return ANY
    return NOTHING
