"""Shell files made of commands that change variables, or look as if they did; and bash as the judge of all variables."""

# ruff: noqa: E501  (a line of the table is a command; folding it would hide what it looks like)

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.system import need_bash

NAMES = ("COMMANDLINE_ARGS", "A", "B", "EXTRA", "N", "venv_dir")
GIVEN = {"HOME": "/home/someone", "EXTRA": "--api --xformers", "N": "3", "LANG": "C.UTF-8"}
"""The environment that both the reader and the judge get."""

_FLAGS = ("--api", "--listen", "--port 7861", "--xformers", "--medvram", "--theme dark", "--no-half-vae",
          "--precision full", "--opt-sdp-attention", "--ckpt-dir '/my models'")
_CONDITIONS = ("true", "false", "[ -f launch.py ]", "[ -n \"$EXTRA\" ]", "[[ $N -gt 2 ]]", "[[ -z $A ]]", "test -d /nowhere",
               "[[ $EXTRA == *api* ]]", "read -r A <<< x", "((N > 1))", "! true", "A=1", "command -v nothing-here >/dev/null")
_HARMLESS = ("echo hello", "# a comment with ' and \"", "touch marker", "git --version >/dev/null 2>&1", "umask 022", "cd .",
             ": nothing", "ulimit -c 0", "echo \"$(date)\" >/dev/null", "set -u", "set -o pipefail", "hash -r",
             "exec 2>&1", "exec 2>/dev/null", "trap 'true' EXIT", "cat <<EOF\nexport COMMANDLINE_ARGS=no\nEOF",
             "cat <<'E F' >/dev/null\n$(x ' \"\nE F", "type cd >/dev/null", "shopt -s nullglob", "printf '%s\\n' text")
_ODD = (
    "A=x; X=1 true", "A=1 :", "COMMANDLINE_ARGS=--lost true", "export -n {v}", "readonly {v}", "declare -i N=2+2",
    "declare -u B=abc", "declare -l B", "typeset -x {v}", "declare -r B=7", "unset {v}", "unset -v {v} A", "read -r {v} <<< '--listen b'",
    "read -ra A <<< 'x y'", "IFS=, read -r A B <<< '1,2'", "mapfile -t A <<< x", "printf -v {v} '%s' '--api'", "let N=5", "let 'N+=1'",
    "((N++))", "((A = 4))", ": $((N = 9))", "A=$((N + 1))", "eval \"{v}=--listen\"", "eval 'A=1'", ". ./other.sh", "source ./other.sh",
    "declare -n R={v}; R=--listen", "export \"{v}=--listen $A\"", "export '{v}=--api'", "export $(echo {v}=--listen)",
    "n={v}; export \"$n=--api\"", "command export {v}=--api", "builtin export {v}=--api", "set -a", "set +a", "set -- --x --y",
    ": \"${{{v}:=--listen}}\"", "echo \"${{{v}=--listen}}\" >/dev/null", "A=\"${{{v}:-none}}\"", "{v}+=\" --api\"", "{v}+=x", "A=(1 2)",
    "A+=(3)", "A[1]=z", "B=\"${{A[*]}}\"", "B=\"${{#A}}\"", "B=\"${{A/a/b}}\"", "B=${{A%%.*}}", "IFS=:", "set -f", "getopts ab A -a",
    "trap '{v}=--listen' DEBUG", "trap - DEBUG", "shopt -s expand_aliases\nalias export=:", "alias ll='ls'", "{v}=1 &", "({v}=--listen)",
    "{v}=--listen | cat", "echo x | read -r {v}", "echo x | {{ {v}=1; }}", "{{ {v}=--listen; }}", "{{ {v}=--listen; }} 2>/dev/null",
    "{v}=--listen >/dev/null", "{v}=--listen > /nowhere/file", "true && {v}=--listen", "false || {v}=--listen", "true || {v}=--listen",
    "false && {v}=--listen", "for A in x y; do {v}=$A; done", "for ((i=0;i<2;i++)); do {v}+=i; done", "while false; do {v}=1; done",
    "until true; do {v}=1; done", "case $N in 3) {v}=--three;; *) {v}=--other;; esac", "A=$(case x in x) echo y;; esac)",
    "{v}=$(echo --listen # it's )\n)", "{v}=`echo --listen`", "{v}=$(printf '%s' \"$A\")", "{v}=\"${{A:-\"--api --listen\"}}\"",
    "{v}=${{NOPE:-'--api --listen'}}", "{v}=\"${{EXTRA:+$EXTRA }}--listen\"", "{v}=${{!A}}", "{v}=~/x", "{v}=\"~/x\"", "{v}=a:~/b", "{v}=$HOME/x",
    "{v}=$PWD/x", "{v}=$RANDOM", "{v}=$SECONDS", "RANDOM=4", "{v}=$'a\\tb'", "{v}=$'\\x41'", "{v}=$\"text\"", "{v}=\"a\\\nb\"", "{v}=a\\\nb",
    "return", "return 0", "[ -f other.sh ] && return", "if false; then return; fi", "f; {v}=$A", "f", "g --listen", "unset -f f", "local A=1",
    "f() {{ {v}=--in-f; }}", "f() {{ local {v}=--in-f; A=2; }}", "g() {{ export {v}=\"$1\"; }}", "function f {{ unset {v}; }}",
    "function g {{ echo; }}", "export() {{ :; }}", "unset() {{ :; }}", "echo() {{ {v}=--echo; }}", "time {v}=--t", "! {v}=--n", "coproc true",
    "{v}=--listen true", "test -v {v}", "[[ x =~ (x) ]]", "{v}=${{BASH_REMATCH[0]}}", "exec 3>&1", "exec {{A}}>&1", "wait", "true & wait",
    "declare {v}", "declare -p {v}", "declare -x {v}=--d", "declare -a {v}", "declare -A B=([k]=v)", "export {v}", "export A={v} B",
    "POSIXLY_CORRECT=1", "set -o posix", "set -k", "enable -n export", "select A in x; do break; done <<< 1", "{v}={{a,b}}", "export {v}={{a,b}}",
    "{v}=*", "export {v}=$EXTRA", "export A=$EXTRA {v}", "declare {v}=$EXTRA", "{v}=$@", "{v}=$1", "{v}=${{#}}", "{v}=$-", "{v}=$?", "shift", "B=${{A[0]}}",
    "{v}=${{A:0:2}}", "B=${{A^^}}", "B=${{A@Q}}", "[ \"$A\" = x ] && export {v}=1 || export {v}=2", "A='n[$(true)0]'; ((A))", "A='N=7'; [[ A -eq 7 ]]",
    "A='N=8'; : $((A))", "unalias -a", "popd 2>/dev/null", "export {v}=--x A=${v}", "A= {v}=$A", "A=1 B=$A {v}=$B", "\\export {v}=--q",
    "'export' {v}=--q", "\"declare\" {v}=--q", "e=export; $e {v}=--q", "command eval {v}=1", "if {v}=--c; then :; fi", "while read -r A; do {v}=$A; done <<< l",
    "{v}=$(return 3)", "{v}=$((1/0)); B=after", "echo ${{!NOPE}} 2>/dev/null; B=after2", "{v}=${{A:?gone}}", "[[ -v A[N=4] ]]", "readonly A; A=5", "B=$({v}=--in)",
)


class Grown(NamedTuple):
    """A file and whether it is of the ordinary kind."""

    data: bytes
    ordinary: bool


def _value(random: Random) -> str:
    words = " ".join(random.choice(_FLAGS) for _ in range(random.randint(0, 3)))
    kind = random.random()
    if kind < 0.45:
        return f'"{words}"'
    if kind < 0.6:
        return '"' + random.choice(("$COMMANDLINE_ARGS ", "${COMMANDLINE_ARGS} ", "$EXTRA ", "${A:-} ", "$B ")) + words + '"'
    if kind < 0.7:
        return "'" + words.replace("'", "") + "'"
    if kind < 0.8:
        return f'"${{{random.choice(NAMES)}:-{words}}}"'
    if kind < 0.9:
        return f'"${{{random.choice(NAMES)}:+{words}}}"'
    return random.choice(("--api", "", "$EXTRA", "--port\\ 7861", "$HOME/models", "\"${UNSET-}\"", "$A$B"))


def _plain(random: Random) -> str:
    name = random.choice((*NAMES, "COMMANDLINE_ARGS"))
    form = random.choice(("{n}={v}", "export {n}={v}", "export {n}={v}", "{n}={v}; export {n}", "export A=1 {n}={v}", "{n}+={v}"))
    return form.format(n=name, v=_value(random))


def _odd(random: Random) -> str:
    return random.choice(_ODD).format(v=random.choice((*NAMES, "COMMANDLINE_ARGS", "COMMANDLINE_ARGS")))


def _statement(random: Random, depth: int) -> str:
    kind = random.random()
    if kind < 0.35:
        return _plain(random)
    if kind < 0.45:
        return random.choice(_HARMLESS)
    if kind < 0.75 or depth > 2:
        return _odd(random)
    inside = "\n".join(_statement(random, depth + 1) for _ in range(random.randint(1, 2)))
    condition = random.choice(_CONDITIONS)
    shape = random.choice((
        "if {c}; then\n{i}\nfi", "if {c}; then\n{i}\nelse\n{p}\nfi", "{{ {i}\n}}", "({i}\n)", "f() {{\n{i}\n}}\n{p}\nf", "{c} && {{\n{i}\n}}",
        "for A in 1 2; do\n{i}\ndone", "while {c}; do\n{i}\nbreak\ndone", "case \"$EXTRA\" in\n*api*)\n{i}\n;;\nesac", "{{ {i}\n}} | cat",
        "g() {{ {i}\n}}; g x", "{c} || {{\n{i}\n}}", "B=$({i}\n)"))
    return shape.format(c=condition, i=inside, p=_plain(random))


def script(random: Random) -> Grown:
    """One file: a third of them of the ordinary kind."""
    ordinary = random.random() < 0.35
    lines = ["#!/bin/bash"] if random.random() < 0.5 else []
    for _ in range(random.randint(1, 6)):
        if ordinary:
            lines.append(_plain(random) if random.random() < 0.6 else random.choice(_HARMLESS))
        else:
            lines.append(_statement(random, 0))
    if random.random() < 0.6:
        lines.insert(random.randint(0, len(lines)), f"export COMMANDLINE_ARGS={_value(random)}")
    joint = ";" if not ordinary and random.random() < 0.1 and not any(c in "\n".join(lines) for c in "#<") else "\n"
    return Grown((joint.join(lines) + random.choice(("\n", "\n", ""))).encode(), ordinary)


_ALL = r"""
for ((number = 0; number < $2; number++)); do
  cd "$1/$number"
  bash -c "$4" judge "$3" > "../$number.out" 2> /dev/null < /dev/null &
  ((number % 8 == 7)) && wait
done
wait
"""
"""A shell of its own for each file: in a subshell, bash drops out of a one-line file that ends with a program."""
_ONE = r"""
exec 9>&1; ulimit -t 2; FUNCNEST=6
_names=$1
builtin set --
. ./webui-user.sh > /dev/null 2> /dev/null
builtin trap - DEBUG; builtin unset -f builtin unset printf declare local export echo f g
builtin set +uefk; builtin set +o posix; builtin unalias -a; IFS=$' \t\n'
for _n in $_names; do
  case "${!_n@a}" in *x*) _x=x ;; *) _x=- ;; esac
  builtin printf '%s\0%s\0%s\0' "$_n" "${!_n+$_x}" "${!_n-}" >&9
done
builtin printf '%s\0' end >&9
"""

Judged = dict[str, "tuple[str, bool] | None"]
"""Each variable with its value and whether programs get it; None: unset."""


def judge(files: Sequence[bytes], folder: Path, names: Sequence[str] = NAMES) -> list[Judged | None]:
    """What bash gives every name after it has read a file; None where it does not come to the end."""
    need_bash()
    for number, data in enumerate(files):
        home = folder / str(number)
        home.mkdir(parents=True)
        (home / "webui-user.sh").write_bytes(data)
        (home / "other.sh").write_text("A=--from-other\n")
        (home / "launch.py").write_text("")
    subprocess.run(["bash", "-c", _ALL, "judge", str(folder), str(len(files)), " ".join(names), _ONE],
                   env={"PATH": "/usr/bin:/bin", **GIVEN}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False, timeout=300)
    return [_judged(folder / f"{number}.out") for number in range(len(files))]


def _judged(out: Path) -> Judged | None:
    parts = os.fsdecode(out.read_bytes()).split("\0") if out.exists() else []
    if len(parts) < 2 or parts[-2] != "end":
        return None
    rows = parts[:-2]
    return {name: (value, how == "x") if how else None
            for name, how, value in zip(rows[::3], rows[1::3], rows[2::3], strict=True)}


def many(seed: int, number: int, make: Callable[[Random], Grown] = script) -> list[Grown]:
    """So many files of one seed."""
    random = Random(seed)
    return [make(random) for _ in range(number)]
