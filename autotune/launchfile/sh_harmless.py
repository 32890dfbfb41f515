"""Makes a copy of a bash file that only sets variables: nothing in it can start, write, read or fetch anything.

Every command is checked before bash sees it. Builtins that only set variables stay; programs whose outcome does
not matter become ``:``; redirections to /dev/null are dropped; the start of the web UI is cut off. Where that could
change the value of a variable (a program in a condition, a file read, a device, a date), no copy is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from autotune.language.translate import _
from autotune.launchfile import sh_commands
from autotune.launchfile.sh_tree import Node, begin_of, end_of, parse_bash, source_of, type_of, walk
from autotune.launchfile.sh_words import NAME, names
from autotune.launchfile.values import COMMANDLINE_ARGS, LineNumbers, Reading

PATH = "_at_path"
"""What PATH is called in the copy: the shell's own PATH leads nowhere."""

_SETS = names(": true false echo printf test [ shift set unset read mapfile readarray return break continue exit pwd "
              "shopt alias unalias local declare export typeset readonly let")
_SAYS = names(": true echo printf")
_UNSTABLE = names("""
    BASH BASHOPTS BASHPID BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_COMMAND BASH_ENV BASH_EXECUTION_STRING BASH_LINENO
    BASH_SOURCE BASH_SUBSHELL BASH_XTRACEFD COLUMNS DIRSTACK EPOCHREALTIME EPOCHSECONDS FUNCNAME GROUPS HISTCMD LINENO
    LINES OLDPWD PIPESTATUS PPID PROMPT_COMMAND PS4 RANDOM SCRIPT_DIR SECONDS SHELLOPTS SHLVL SRANDOM _""")
_UNSTABLE_WORD = re.compile(r"(?<!\w)(?:" + "|".join(sorted(_UNSTABLE - {"_"})) + r")(?!\w)")
_FILE_TEST = frozenset(f"-{c}" for c in "abcdefghkprsuwxGLNOS") | {"-nt", "-ot", "-ef"}
_NOWHERE = re.compile(r"[0-9]*(?:>|>>|&>|&>>|>\|)\s*/dev/null|[0-9]*[<>]&[0-9-]|>&\s*/dev/null")
_OPTIONS = re.compile(r"[-+][euaxf]+|-[euaxf]*o|errexit|nounset|pipefail|allexport|xtrace|noglob")


class NotHarmless(Exception):
    """No harmless copy can be made; the argument says why, in one clause."""


class Surroundings(NamedTuple):
    """Where a statement stands: its outcome matters (``judged``), in a function, in ``$( )`` (``read``)."""

    judged: bool = False
    function: bool = False
    read: bool = False


class HarmlessCopy:
    """The harmless copy of one file. ``text()`` raises NotHarmless."""

    def __init__(self, source: str, reading: Reading) -> None:
        self.s, self.reading = source, reading
        self.root, self._number = parse_bash(source), LineNumbers(source)
        self.changes: list[tuple[int, int, str]] = []
        self.functions = {self._name(n): n["Body"] for n in walk(self.root) if type_of(n) == "FuncDecl"}
        self.programs: list[int] = []
        self.looks: list[int] = []
        self.gone: list[tuple[int, int]] = []
        self.end = len(source)

    def _line(self, node: Node | int) -> int:
        return self._number(node if isinstance(node, int) else begin_of(node))

    def _name(self, node: Node) -> str:
        return source_of(node["Name"], self.s)

    def _raw(self, node: Node) -> str:
        return source_of(node, self.s)

    def names(self) -> set[str]:
        """Every variable that the file assigns, declares or names."""
        found = {COMMANDLINE_ARGS, *self.reading.variables}
        return found | {self._name(n) for n in walk(self.root) if n.get("Name") and type_of(n) not in ("FuncDecl",)}

    def text(self) -> str:
        """The copy (Latin-1). Raises NotHarmless."""
        if re.search(r"/dev/(?:tcp|udp)", self.s):
            raise NotHarmless(_("it opens network connections"))
        if re.search(r"~[-+]", self.s):
            raise NotHarmless(_("it names the folder it was in before"))
        self._functions()
        statements = self._until_the_start(self.root.get("Stmts") or [])
        for one in statements:
            self._statement(one, Surroundings())
        self._expansions(statements)
        if self.programs and self.looks and min(self.programs) < max(self.looks):
            raise NotHarmless(_("line {first} may change what line {second} looks at").format(
                first=self._line(min(self.programs)), second=self._line(max(self.looks))))
        out, at = [], 0
        for a, b, put in sorted(self.changes):
            if a < at:
                raise NotHarmless(_("line {line} cannot be taken apart").format(line=self._line(a)))
            out += [self.s[at:a], put]
            at = b
        return "".join([*out, self.s[at : max(at, self.end)]])

    def _functions(self) -> None:
        if taken := sorted((sh_commands.CHANGE_NOTHING | sh_commands.OTHER_BUILTINS) & self.functions.keys()):
            raise NotHarmless(_("it gives {name} another meaning").format(name=taken[0]))
        bodies = [n for n in walk(self.root) if type_of(n) == "FuncDecl"]
        if len(bodies) != len(self.functions):
            raise NotHarmless(_("a function is defined twice"))
        calls = {name: self._called(body) for name, body in self.functions.items()}
        try:
            TopologicalSorter(calls).prepare()
        except CycleError as error:
            raise NotHarmless(_("the function {name} calls itself").format(name=error.args[1][0])) from None

    def _called(self, body: Node) -> set[str]:
        heads = (self._raw(n["Args"][0]) for n in walk(body) if type_of(n) == "CallExpr" and n.get("Args"))
        return {h for h in heads if h in self.functions}

    def _until_the_start(self, statements: list[Node]) -> list[Node]:
        """The statements before the web UI is started; assignments on its command line become an export."""
        at = self.reading.launch_at
        if at is None:
            return statements
        for number, one in enumerate(statements):
            command = one.get("Cmd") or {}
            if type_of(command) == "CallExpr" and command.get("Args") and begin_of(command["Args"][0]) == at:
                assigns = command.get("Assigns") or []
                self.end = begin_of(one)
                if assigns:
                    self.changes.append((begin_of(one), begin_of(one), "export " + " ".join(map(self._raw, assigns))))
                return statements[:number]
            if begin_of(one) <= at < end_of(one) and self.reading.changes_any:
                break
        if self.reading.starts_inside:
            raise NotHarmless(_("the web UI is started inside a block in line {line}").format(line=self._line(at)))
        return statements

    # -- statements

    def _all(self, statements: Iterable[Node], where: Surroundings) -> None:
        for one in statements:
            self._statement(one, where)

    def _statement(self, one: Node, where: Surroundings) -> None:
        command, line = one.get("Cmd"), self._line(one)
        if one.get("Background"):
            if any(n.get("Hdoc") for n in walk(one)):
                raise NotHarmless(_("line {line} runs in the background").format(line=line))
            end = self.s.find("&", end_of(command) if command else end_of(one)) if command else end_of(one)
            redirects = one.get("Redirs") or []
            end = self.s.find("&", max([end, *map(end_of, redirects)]))
            self.changes.append((begin_of(one), end + 1, ":;" if self.s[end + 1 : end + 2] not in ("\n", "") else ":"))
            return
        where = where._replace(judged=where.judged or bool(one.get("Negated")))
        says = self._simple(command) if command else True
        for redirect in one.get("Redirs") or []:
            self._redirect(redirect, says, where)
        if command is not None:
            self._command(command, where, one)

    def _simple(self, command: Node) -> bool:
        """Is this a program, or a builtin that only prints?"""
        if type_of(command) != "CallExpr" or not command.get("Args"):
            return False
        head = self._raw(command["Args"][0])
        return head == "exec" or head in _SAYS or self._program(head)

    def _program(self, head: str) -> bool:
        plain = re.fullmatch(r"[\w./+-]+", head, re.ASCII) is not None
        builtin = sh_commands.CHANGE_NOTHING | sh_commands.OTHER_BUILTINS | sh_commands.FUNCTIONS_OF_START_FILES
        return (plain or head == "\r") and head not in builtin and head not in self.functions

    def _redirect(self, redirect: Node, says: bool, where: Surroundings) -> None:
        raw, line = self._raw(redirect), self._line(redirect)
        if str(redirect["Op"]) in ("<<", "<<-", "<<<"):
            return
        if redirect.get("N") and "{" in str(redirect["N"].get("Value")):
            raise NotHarmless(_("line {line} opens a file").format(line=line))
        if _NOWHERE.fullmatch(raw):
            self.changes.append((begin_of(redirect), end_of(redirect), " "))
        elif says and not where.judged and ">" in str(redirect["Op"]) and str(redirect["Op"]) != "<>":
            self.programs.append(begin_of(redirect))
            self.changes.append((begin_of(redirect), end_of(redirect), " "))
        else:
            raise NotHarmless(_("line {line} reads or writes a file").format(line=line))

    def _command(self, command: Node, where: Surroundings, statement: Node) -> None:
        what, line = type_of(command), self._line(command)
        if what == "CallExpr":
            self._call(command, where, statement)
        elif what in ("DeclClause", "ArithmCmd", "LetClause"):
            pass
        elif what == "TestClause":
            for node in walk(command):
                self._test(str(node.get("Op", "")), node)
        elif what == "BinaryCmd" and self._or_exit(command):
            self._drop(command)
        elif what == "BinaryCmd":
            list_ = command["Op"] in ("&&", "||")
            harmless = list_ and all(self._says_only(n) for n in walk(command) if type_of(n) == "CallExpr")
            inner = where._replace(judged=where.judged or (list_ and not harmless))
            self._all([command["X"], command["Y"]], inner)
        elif what in ("Block", "Subshell"):
            self._all(command.get("Stmts") or [], where)
        elif what in ("IfClause", "WhileClause", "ForClause", "CaseClause") and not command.get("Select"):
            self._compound(command, where)
        elif what == "FuncDecl":
            self._statement(command["Body"], where._replace(judged=True, function=True))
        else:
            raise NotHarmless(_("{command} in line {line}").format(command=what or _("something"), line=line))

    def _or_exit(self, command: Node) -> bool:
        """Is this like ``cd "$HERE" || exit``? Where the web UI is started, the first part has then succeeded."""
        first, last = command["X"].get("Cmd"), command["Y"].get("Cmd")
        if command["Op"] != "||" or type_of(first) != "CallExpr" or type_of(last) != "CallExpr" or not last.get("Args"):
            return False
        words = first.get("Args") or []
        head = self._raw(words[0]) if words else ""
        return self._raw(last["Args"][0]) == "exit" and (head == "cd" or self._program(head))

    def _drop(self, command: Node) -> None:
        """Take a change of folder, or a program, out as a whole."""
        if any(n.get("Hdoc") for n in walk(command)) or re.search(r"\b(?:OLD)?PWD\b|\bpwd\b", self.s):
            raise NotHarmless(_("line {line} changes the folder").format(line=self._line(command)))
        if sh_commands.of_words(command, self.s, lambda __: False) != sh_commands.NOTHING:
            raise NotHarmless(_("line {line} sets a variable on the way").format(line=self._line(command)))
        self.programs.append(begin_of(command))
        self.gone.append((begin_of(command), end_of(command)))
        self.changes.append((begin_of(command), end_of(command), ":"))

    def _says_only(self, call: Node) -> bool:
        return not call.get("Assigns") and self._simple(call) and self._raw(call["Args"][0]) != "exec"

    def _compound(self, command: Node, where: Surroundings) -> None:
        self._all(command.get("Cond") or [], where._replace(judged=True))
        for key in ("Then", "Do"):
            self._all(command.get(key) or [], where)
        if type_of(command) == "CaseClause":
            for item in command.get("Items") or []:
                self._all(item.get("Stmts") or [], where)
        if command.get("Else"):
            self._compound(command["Else"], where)
        loop = command.get("Loop") or {}
        if type_of(loop) == "WordIter" and not loop.get("Items") and not where.function:
            raise NotHarmless(
                _("line {line} depends on what the script is called with").format(line=self._line(command)))

    def _call(self, command: Node, where: Surroundings, statement: Node) -> None:
        words = command.get("Args") or []
        if not words:
            return
        head, line = self._raw(words[0]), self._line(command)
        args = [self._raw(w) for w in words[1:]]
        if head in self.functions:
            return
        too_late = head == "trap" and sh_commands.of_builtin(head, list(args)) == sh_commands.NOTHING
        if head in ("umask", "ulimit", "hash") or too_late or (head == "exec" and not args):
            self.changes.append((begin_of(words[0]), end_of(words[0]), ":"))
        elif head == "cd" and not where.judged and not where.read and not command.get("Assigns"):
            self._drop(command)
        elif head in _SETS:
            self._builtin(head, args, line, statement, command)
        elif self._program(head) and not where.judged and not where.read:
            self.programs.append(begin_of(command))
            self.changes.append((begin_of(words[0]), end_of(words[0]), ":"))
        elif self._program(head):
            raise NotHarmless(_("{command} in line {line} decides about it, and is not run").format(
                command=head.strip() or _("a command"), line=line))
        else:
            raise NotHarmless(_("{command} in line {line}").format(command=head.split()[0][:40], line=line))

    def _builtin(self, head: str, args: list[str], line: int, statement: Node, command: Node) -> None:
        if head == "set" and not (args[:1] == ["--"] or all(_OPTIONS.fullmatch(a) for a in args)):
            raise NotHarmless(_("{command} in line {line}").format(command=f"set {' '.join(args)[:40]}", line=line))
        if head == "shopt" and sh_commands.of_builtin("shopt", list(args)) != sh_commands.NOTHING:
            raise NotHarmless(_("{command} in line {line}").format(command="shopt", line=line))
        if head == "printf" and any(")T" in a for a in args):
            raise NotHarmless(_("line {line} tells the time").format(line=line))
        if head in ("read", "mapfile", "readarray"):
            fed = [r for r in statement.get("Redirs") or [] if str(r["Op"]) in ("<<", "<<-", "<<<")]
            if not fed or any(a.startswith(("-u", "-C", "-t", "-p")) for a in args):
                raise NotHarmless(_("line {line} asks for something").format(line=line))
        if head in ("test", "["):
            for word in command["Args"][1:]:
                self._test(self._raw(word), word)
        if head in ("export", "declare", "typeset", "local", "readonly", "let", "unset") and "PATH" in args:
            raise NotHarmless(_("{command} in line {line}").format(command=f"{head} PATH", line=line))

    def _test(self, operator: str, node: Node) -> None:
        if operator in _FILE_TEST:
            self.looks.append(begin_of(node))
        elif operator in ("-t", "-R"):
            raise NotHarmless(_("line {line} looks at the terminal").format(line=self._line(node)))

    # -- words

    def _expansions(self, statements: list[Node]) -> None:
        """Check all words: command substitutions, patterns, variables that differ from start to start."""
        inside = {id(n) for body in self.functions.values() for n in walk(body)}
        for statement in statements:
            for node in walk(statement):
                if "Pos" in node and any(a <= begin_of(node) and end_of(node) <= b for a, b in self.gone):
                    continue
                self._expansion(node, id(node) in inside)

    def _expansion(self, node: Node, function: bool) -> None:
        what, line = type_of(node), self._line(node) if "Pos" in node else 0
        if what == "ProcSubst":
            raise NotHarmless(_("line {line} reads from a command").format(line=line))
        if what == "CmdSubst":
            if node.get("Backquotes") and "\\" in self._raw(node):
                raise NotHarmless(_("line {line} nests backquotes").format(line=line))
            self._all(node.get("Stmts") or [], Surroundings(judged=True, function=function, read=True))
        elif what == "ParamExp":
            self._parameter(node, function, line)
        elif what == "CallExpr" and node.get("Args") and not self._program(self._raw(node["Args"][0])):
            self._patterns(node["Args"][1:])
        elif what == "WordIter" or "Elems" in node:
            self._patterns(node.get("Items") or [e["Value"] for e in node.get("Elems") or [] if e.get("Value")])
        if what in ("ArithmExp", "ArithmCmd", "LetClause") and _UNSTABLE_WORD.search(self._raw(node)):
            raise NotHarmless(_("line {line} differs from start to start").format(line=line))
        name = node.get("Name") or (node.get("Param") if what == "ParamExp" else None)
        if name and what != "FuncDecl" and self._raw(name) == "PATH":
            self.changes.append((begin_of(name), end_of(name), PATH))
        if node.get("Name") and what != "FuncDecl" and self._raw(node["Name"]) in _UNSTABLE:
            raise NotHarmless(_("line {line} sets {name}").format(line=line, name=self._raw(node["Name"])))

    def _patterns(self, words: list[Node]) -> None:
        """Note words with a pattern outside quotes, which looks at the names of files."""
        for word in words:
            bare = [self._raw(p) for p in word.get("Parts") or [] if type_of(p) == "Lit"]
            if any(re.search(r"(?<!\\)[*?\[]", text) for text in bare):
                self.looks.append(begin_of(word))

    def _parameter(self, node: Node, function: bool, line: int) -> None:
        name = str((node.get("Param") or {}).get("Value", ""))
        if name in _UNSTABLE or name in ("$", "!", "-", "0"):
            raise NotHarmless(_("line {line} differs from start to start").format(line=line))
        if name == "?" and any(type_of(n) == "CallExpr" and n.get("Args") and self._simple(n) for n in walk(self.root)):
            raise NotHarmless(_("line {line} looks at how a command ended").format(line=line))
        if not NAME.fullmatch(name) and name != "?" and not function:
            raise NotHarmless(_("line {line} depends on what the script is called with").format(line=line))
        if node.get("Excl") or node.get("Names") or (node.get("Exp") or {}).get("Op") == "@":
            raise NotHarmless(_("line {line} names a variable by another").format(line=line))
