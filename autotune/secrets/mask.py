"""Tells credentials by their name or shape, and masks them in texts: the only place that does (docs/contract.md,
guarantee 7).

Names count first: a flag, variable, header or attribute whose name speaks of a password, token or key, however it is
quoted. Keys of well-known services are known by their shape. A name too many costs a mask in a document; one too
few, a password. A folder, a region, a port is nobody's secret, whatever its name begins with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from autotune.language.translate import _

MASK = "***"
_LOOK_BACK = 600
"""Characters of a line that are read again for each name in it."""
_SHORTEST = 8
"""Characters of the shortest value that is hidden wherever it occurs: shorter ones may be ordinary words."""
_MOST_VALUES = 50
"""So many of them are looked for: a launch file has a handful."""
_MARK = "\0"
"""Stands for a masked value until all rules have run, so that no rule reads what another one hid."""

_SECRET = frozenset((
    "auth", "oauth", "oauth2", "authorization", "authentication", "pass", "pw", "pwd", "token", "cred", "creds",
    "credential", "credentials", "pat", "cookie", "cookies", "bearer", "jwt", "jprq", "webhook", "webhooks", "ngrok",
    "sessionid", "sid", "otp"))
_ENDINGS = ("token", "apikey", "authkey", "accesskey", "privatekey", "credentials", "auth", "passphrase", "passcode")
"""Words written together: NGROK_AUTHTOKEN, MY_APIKEY."""
_BEGINNINGS = ("passw", "secret")
_PLACES = frozenset((
    "path", "paths", "file", "filename", "dir", "directory", "folder", "region", "host", "hostname", "port", "uri",
    "endpoint", "type", "method", "mode", "user", "username", "count", "length", "size", "limit", "timeout", "ttl",
    "expiry", "expires", "enabled", "required", "stdin", "browser", "module", "error", "errors"))
"""Last words of names whose value is a place or a manner, not the secret itself."""
_COUNTED = frozenset((
    "merging", "pad", "eos", "bos", "unk", "sep", "eot", "max", "min", "num", "count", "length", "ratio", "special",
    "start", "end", "stop", "next", "class", "vocab"))
"""Words beside "token" that make it a token of a text."""
_BEFORE_PATH = frozenset(("models", "model", "vae", "allowed", "base", "data", "ckpt", "file", "script"))
"""Words before "path", which argparse lets be cut to "pat"."""
_ORDINARY_KEYS = frozenset(("sort", "primary", "foreign", "cache", "hot", "stage", "image", "dict", "public", "group",
                            "tls"))
_ABBREVIATED = r"api-au?t?h?|gradio-au?t?h?|ngr?o?k?"
"""argparse takes abbreviations: --api-au and --gradio-a are --api-auth and --gradio-auth."""
_ABBREVIATED_PLACES = r"gradio-auth-p(?:a(?:th?)?)?|ngrok-r(?:e(?:g(?:i(?:on?)?)?)?)?"
_FOLDERS = ("PWD", "OLDPWD")
_GUARDED = ("ngrok", "tls")

_SHAPES = (
    r"(?<![\w-])(?:sk|pk|rk)-(?=[\w-]*\d)[A-Za-z0-9_-]{8,}|(?<![\w-])(?:sk|rk)-[A-Za-z0-9_-]{16,}"
    r"|(?<!\w)hf_(?:(?=[A-Za-z]*\d)[A-Za-z0-9]{6,}|[A-Za-z]{12,})(?![\w(])"
    r"|(?<!\w)(?:gh[opusr]_[A-Za-z0-9]{12,}|github_pat_\w{12,}|glpat-[\w-]{8,}|xox[abeoprs]-[\w-]{8,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{20,}|r8_[A-Za-z0-9]{12,}|dop_v1_\w{16,}|npm_[A-Za-z0-9]{16,}"
    r"|pypi-[\w-]{16,}|eyJ[\w-]{6,}\.[\w-]{4,}\.[\w-]*)"
    r"|(?i:(?<=\bbearer )[^\s\"',;)]{6,})"
    r"|(?<=api/webhooks/)[\w/-]+|(?<=hooks\.slack\.com/services/)[\w/-]+|(?<=api\.telegram\.org/bot)[\w:-]+")
_NAME = r"-{0,2}[A-Za-z_][\w.-]{0,80}"
_ASSIGNED = rf"(?<![\w.-])({_NAME})(\\?[\"']?\]?)([ \t]*(?:[:+?]?=|=>|:-|:)[ \t]*)(?!=)"
_FLAG = r"(?<![\w-])(--[A-Za-z][\w-]{0,80})(?![\w-])(\\?[\"'])?"
_STEP = r"[ \t]*,?[ \t]*[\\^]?\n[ \t]*(?:- +)?(?![\"']?--|- |\n)|(?:,?[ \t]+|,)(?![\"']?--)"
_ONE_WORD = r"""(?s:"(?:[^"\\]|\\.)*"|'[^']*'|["'][^\n]*|\\.|[^\s"'\\])+"""
"""A shell word; a quote that is never closed takes the rest of its line."""
_TO_NEXT_FLAG = (
    r"""(?:"[^"\n]*"(?=[ \t\n]|\Z)|'[^'\n]*'(?=[ \t\n]|\Z))?"""
    r"(?:(?![ \t]+--[A-Za-z])(?![ \t]*[\\^]?(?:\n|\Z))[^\n])*")
"""All that follows up to the next flag or the end of the line: several layers may quote one value."""
_LITERAL = r"""(?s:[bruBRU]{0,2}("""r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))"""
_USERINFO = r"(://)(?!USER@HOST/)(?:[^\s/\"'<>@]+@(?:[^\s/\"'<>@]+@)*|[^\s/@]{1,200}:[^\s/@]{0,200}@)"
_CURL_USER = r"((?<![\w-])(?:-u|--(?:proxy-)?user)[ =]+[\"']?[^\s:\"']{1,64}:)[^\s\"'\0]+"
_BRACKETS = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[(\[{]|[)\]}]"
_EMPTY_VALUE = r"(?:None|null|True|False|true|false|nil|\"\"|''|\[\]|\{\}|\(\)|~)(?![\w.:@-])"
_JSON_NAME = r"(?s:\"Name\"\s*:\s*\"(--[\w-]+)\"(?:(?!\"Name\").)*?\"OptionValue\"\s*:\s*\")((?:\\.|[^\"\\])*)"


def is_secret(name: str) -> bool:
    """Does a flag (``--api-auth``), variable (``HF_TOKEN``), header or attribute (``api_auth``) hold a credential?"""
    words = _words(name)
    if not words or name in _FOLDERS:
        return False
    if words[-1] in _PLACES or (words[-1] == "url" and "webhook" not in words):
        return False
    if name.startswith("--") and re.fullmatch(_ABBREVIATED_PLACES, "-".join(words)):
        return False
    return _names_secret(words) or (name.startswith("--") and re.fullmatch(_ABBREVIATED, "-".join(words)) is not None)


def is_guarded(name: str) -> bool:
    """``is_secret``, and other values of a parsed command line that are not shown: tunnels, certificates, files."""
    return is_secret(name) or _names_secret(_words(name)) or any(part in name.lower() for part in _GUARDED)


def _words(name: str) -> list[str]:
    dashed = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return [word for word in re.split(r"[^a-z0-9]+", dashed.lower()) if word]


def _names_secret(words: Sequence[str]) -> bool:
    if any(word == "key" and words[at - 1] == "api" for at, word in enumerate(words) if at):
        return True
    if len(words) > 1 and words[-1] == "key" and words[-2] not in _ORDINARY_KEYS:
        return True
    for at, word in enumerate(words):
        if word.endswith("token") and _COUNTED & set(words):
            continue
        if word == "pat" and at and words[at - 1] in _BEFORE_PATH:
            continue
        if word in _SECRET or word.endswith(_ENDINGS) or word.startswith(_BEGINNINGS):
            return True
    return "tokens" in words and bool({"api", "auth", "access", "refresh"} & set(words))


def masked(text: str, script: bool = False) -> str:
    """Prose, a command line or a log with the values of credentials masked.

    ``script``: the text is a launch file or Stability Matrix's settings, where several layers may quote a value and a
    comment may repeat it.
    """
    text = text.replace(_MARK, "\ufffd")
    if "OptionValue" in text:
        text = re.sub(_JSON_NAME, _option_value, text)
    hidden: list[str] = []
    text = _hide(text, _FLAG, partial(_value_of_flag, text, script), hidden)
    text = _hide(text, _ASSIGNED, partial(_value_of_name, text, script), hidden)
    text = re.sub(r"(?im)(^\W*(?:setx|setenv|set +-\w+) +(\w+) +)([^\0\n]+)", _set_by_command, text)
    if script:
        text = _hide_repeats(text, hidden)
    return re.sub(_SHAPES, _MARK, _addresses(text)).replace(_MARK, MASK)


def masked_diff(before: bytes, after: bytes, name: str) -> str:
    """A unified diff of a launch file (UTF-8) with the values of credentials masked; '' when nothing changes."""
    import difflib

    old, new = (masked(data.decode("utf-8", "replace").replace("\r\n", "\n"), script=True).splitlines()
                for data in (before, after))
    lines = difflib.unified_diff(old, new, _("{name} (before)").format(name=name),
                                 _("{name} (after)").format(name=name), lineterm="")
    return "".join(line + "\n" for line in lines)


def masked_words(words: Sequence[str]) -> list[str]:
    """Argv words with the values of credentials masked."""
    found: list[str] = []
    secret = False
    for word in words:
        name, equals, __ = word.partition("=")
        if secret and not word.startswith("--"):
            found.append(MASK)
            secret = False
            continue
        flag = name.startswith("--") and is_secret(name)
        secret = flag and not equals
        found.append(f"{name}={MASK}" if flag and equals else masked(word))
    return found


def _option_value(match: re.Match[str]) -> str:
    whole = match[0]
    return whole[: len(whole) - len(match[2])] + _MARK if is_secret(match[1]) and match[2] else whole


def _addresses(text: str) -> str:
    """``user:password@`` masked, with a scheme and without; and what a query's parameters hide."""
    if "://" in text:
        text = re.sub(_USERINFO, rf"\1{_MARK}@", text)
        # A slash in a password stands before the last @, and what follows the colon is no port.
        text = re.sub(r"(://)[^\s/:@\"'<>]{1,200}:(?!\d+/)[^\s@\"'<>]{1,200}@", rf"\1{_MARK}@", text)
        text = re.sub(r"([?&;])([\w.-]{1,80})=([^&;#\s\"'<>\0]+)", _parameter, text)
    if "-u" in text:
        text = re.sub(_CURL_USER, rf"\1{_MARK}", text)
    if "@" in text:
        text = re.sub(r"(?<![\w/@:.+\\\0-])(?!mailto:|acct:|sip:)[\w.+-]{1,64}:[^\s@/\\\"'<>][^\s@\"'<>]{0,200}@"
                      r"(?!sha256)(?=[\w\[])", f"{_MARK}@", text)
    return text


def _parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={_MARK}" if is_secret(match[2]) else match[0]


def _hide_repeats(text: str, hidden: Sequence[str]) -> str:
    """The text with every other occurrence of a hidden value masked: a comment may repeat the password."""
    parts = {part.strip(" \t\"'\\") for value in hidden for part in (value, *re.split(r"[:,]", value))}
    known = [part for part in parts if len(part) >= _SHORTEST and not re.match(r"[$%{(]|--|\d+$", part)]
    for part in sorted(set(known), key=len, reverse=True)[:_MOST_VALUES]:
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", _MARK, text)
    return text


def _hide(text: str, pattern: str, value: Callable[[re.Match[str]], tuple[int, int, str]], hidden: list[str]) -> str:
    """The text with the values behind secret names masked, each of them added to ``hidden``.

    ``pattern``: finds names (group 1); ``value``: tells of a match the range of its value and what is shown instead.
    """
    out: list[str] = []
    at = 0
    for match in re.finditer(pattern, text):
        if match.start() < at or not is_secret(match[1]):
            continue
        begin, end, shown = value(match)
        if end > begin:
            out += (text[at:begin], shown)
            hidden.append(text[begin:end])
            at = end
    return "".join(out) + text[at:]


def _value_of_flag(text: str, script: bool, match: re.Match[str]) -> tuple[int, int, str]:
    """The value of a flag: a word of its own, behind ``=``, as the next entry of a list."""
    quote = match[2] or ""
    opened = text[match.start() - 1 : match.start()] if match.start() else ""
    equals = re.compile(r"[ \t]*=[ \t]*").match(text, match.end(1))
    if equals:
        begin = equals.end()
        if opened in ("'", '"'):
            # The quote may hold this flag alone, or a whole command line.
            closing = _closing(text, begin, opened)
            follower = re.compile(r"[ \t]+--[A-Za-z]").search(text, begin, closing)
            return begin, follower.start() if follower else closing, _MARK
        return _word_or_more(text, begin, script)
    step = re.compile(_STEP).match(text, match.end())
    if step is None:
        return 0, 0, ""
    if "\n" in step[0] and not re.search(r"[\\^]\n", step[0]) and not _is_only_word(text, match.start()):
        return 0, 0, ""
    if (quote and "," in step[0]) or "- " in step[0]:
        return _literal(text, step.end(), bare=r"[^\s,\])}]+")
    return _word_or_more(text, step.end(), script)


def _is_only_word(text: str, at: int) -> bool:
    """Is the flag the only word before the end of its line: an entry of a list?"""
    return re.fullmatch(r"[\s\[\"',-]*", _before(text, at)) is not None


def _word_or_more(text: str, begin: int, script: bool) -> tuple[int, int, str]:
    """One shell word; in a script, and where a web UI names its arguments without quotes, up to the next flag."""
    more = script or "arguments: " in _before(text, begin)
    found = re.compile(_TO_NEXT_FLAG if more else _ONE_WORD).match(text, begin)
    if found is None or not found[0]:
        return begin, begin, ""
    value = found[0]
    if script and len(value) > 1 and value[0] == value[-1] and value[0] in ("'", '"'):
        return begin + 1, found.end() - 1, _MARK
    # In a script the quote at the end most often closes the whole line's value.
    return begin, found.end(), _MARK + (value[-1] if script and value[-1] in ("'", '"') else "")


def _set_by_command(match: re.Match[str]) -> str:
    return match[1] + _MARK if is_secret(match[2]) else match[0]


def _value_of_name(text: str, script: bool, match: re.Match[str]) -> tuple[int, int, str]:
    """The value behind a name: ``NAME=x``, ``name: x``, ``{'name': 'x'}``, ``set "NAME=x"``, headers."""
    begin, end, shown = _behind_name(text, script, match)
    return (0, 0, "") if _MARK in text[begin : begin + 2] else (begin, end, shown)


def _behind_name(text: str, script: bool, match: re.Match[str]) -> tuple[int, int, str]:
    name, closed, separator, begin = match[1], match[2].rstrip("]"), match[3].strip(), match.end()
    if re.compile(_EMPTY_VALUE).match(text, begin) or begin >= len(text):
        return 0, 0, ""
    opened = re.search(r"\\?[\"']?$", text[max(0, match.start() - 2) : match.start()])
    quote = opened[0] if opened else ""
    before = _before(text, match.start())
    if name == name.lower() == "pwd" and re.match(r"[\"']?(?:[/~\\.]|[A-Za-z]:)", text[begin : begin + 3]):
        return 0, 0, ""
    if closed:
        return _literal(text, begin, bare=r"[^\s,\])}]+", escaped=closed.startswith("\\"))
    if quote:
        return begin, _closing(text, begin, quote), _MARK
    if separator == ":":
        return _after_colon(text, name, before, begin)
    if text[match.start() - 1 : match.start()] in ("?", "&", ";") and "://" in before:
        return 0, 0, ""  # a parameter of an address
    if re.search(r"(?i)^\W*set(?: +/\w)?\s+$", before):
        return begin, _line_end(text, begin), _MARK
    literal = re.compile(_LITERAL + r"(?=,?[)\]}]|,\s|,?$)", re.MULTILINE).match(text, begin)
    if literal or text[begin] in "([{":
        return _literal(text, begin, bare=_ONE_WORD)
    found = re.compile(_ONE_WORD).match(text, begin)
    end = found.end() if found else begin
    if script and found:
        end = min(end, _line_end(text, begin))
    return begin, end, _MARK + (text[end - 1] if script and text[end - 1 : end] in ("'", '"') else "")


def _after_colon(text: str, name: str, before: str, begin: int) -> tuple[int, int, str]:
    """A header, or a line of YAML: the rest of the line; within braces, up to the next comma."""
    if not begin or text[begin - 1] not in " \t":
        return 0, 0, ""
    if re.fullmatch(r"[\s+*>#-]*", before):
        return begin, _line_end(text, begin), _MARK
    if re.search(r"[{,(\[]\s*$", before):
        return _literal(text, begin, bare=r"[^,})\]\n]+")
    known = name.lower() in ("authorization", "proxy-authorization", "cookie", "set-cookie")
    if known:
        return begin, _line_end(text, begin), _MARK
    strong = re.search(r"[-_]", name.strip("-")) or re.match("(?i)passw|passph|secret|cred", name)
    if strong or not re.search(r"\w\s+$", before):
        found = re.compile(rf"(?:(?i:bearer|basic|digest|token) +)?{_ONE_WORD}").match(text, begin)
        return (begin, found.end(), _MARK) if found else (0, 0, "")
    return 0, 0, ""


def _literal(text: str, begin: int, bare: str, escaped: bool = False) -> tuple[int, int, str]:
    """A value as Python, JSON or TOML writes it: quoted (the quotes stay), a list, or bare."""
    if escaped and text.startswith(("\\\"", "\\'"), begin):
        end = text.find(text[begin : begin + 2], begin + 2)
        return begin + 2, end if end >= 0 else _line_end(text, begin), _MARK
    if re.compile(_EMPTY_VALUE).match(text, begin):
        return 0, 0, ""
    found = re.compile(_LITERAL).match(text, begin)
    if found:
        return found.start(1) + 1, found.end(1) - 1, _MARK
    if text[begin : begin + 1] in ("(", "[", "{"):
        return begin, _balanced(text, begin), _MARK
    if text[begin : begin + 1] in ("'", '"'):
        return begin + 1, _line_end(text, begin), _MARK
    word = re.compile(bare).match(text, begin)
    return (begin, word.end(), _MARK) if word else (0, 0, "")


def _balanced(text: str, begin: int) -> int:
    """Where the bracket at ``begin`` is closed; without that, the end of its line."""
    depth = 0
    for match in re.compile(_BRACKETS).finditer(text, begin, begin + 4000):
        if match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
        if depth == 0:
            return match.end()
    return _line_end(text, begin)


def _closing(text: str, begin: int, quote: str) -> int:
    """Where the quote that was opened before is closed, at the latest the end of the line."""
    end = _line_end(text, begin)
    found = text.find(quote, begin, end)
    return found if found >= 0 else end


def _before(text: str, at: int) -> str:
    """The text before ``at`` on its line, at most _LOOK_BACK characters."""
    first = max(0, at - _LOOK_BACK)
    return text[text.rfind("\n", first, at) + 1 or first : at]


def _line_end(text: str, begin: int) -> int:
    found = text.find("\n", begin)
    end = found if found >= 0 else len(text)
    return end - 1 if end > begin and text[end - 1] == "\r" else end
