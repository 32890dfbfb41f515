"""Storages by their address: what cannot be used is one line, exit 2, and no password is ever shown."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.cli.main import run
from autotune.model.errors import UsageProblem
from autotune.store import optuna_storage
from benchmarks import postgres
from benchmarks.waiting import tuned
from tests.search.test_sessions import small

pytestmark = pytest.mark.slow

needs_postgres = pytest.mark.skipif(postgres.binaries() is None, reason="needs PostgreSQL (Debian: postgresql)")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as one:
        yield one


@pytest.mark.parametrize(("url", "words"), [
    ("nonsense", "not an address"), ("http://x", "not an address"),
    ("sqlite:////no/such/folder/x.db", "cannot be used"),
    ("postgresql://me:sesame@127.0.0.1:1/db", "cannot be used"), ("postgres://me:sesame@127.0.0.1:1/db", "cannot be"),
    ("postgresql://127.0.0.1:1/db?user=me&password=sesame", "cannot be used"),
    ("mysql://me:sesame@127.0.0.1/db", "driver is not installed"), ("oracle+x://a:sesame@b/c", "not an address"),
    ("postgresql://me:sesame@h:port/db", "no address"), ("grpc://127.0.0.1:1", "nobody answers"),
    ("grpc://me:sesame@127.0.0.1:1", "nobody answers"), ("://", "not an address"),
    ("sqlite://a/b", "Invalid SQLite URL"),
    ("postgresql+nothing://me:sesame@h/db", "not an address"), ("grpc://[", "no address")])
def test_what_cannot_be_used_is_one_line(url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for driver in ("psycopg", "grpc"):
        if url.startswith((driver, "postgres" if driver == "psycopg" else driver)):
            pytest.importorskip(driver)
    monkeypatch.setattr(optuna_storage, "REACHED_WITHIN", 1)
    with pytest.raises(UsageProblem) as caught:
        optuna_storage.open_storage(url)
    assert words in caught.value.message and "\n" not in caught.value.message
    assert caught.value.code == 2 and caught.value.hint
    assert "sesame" not in caught.value.message + caught.value.hint


PASSWORDS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=6, max_size=20)


@given(PASSWORDS, st.sampled_from(["postgresql://me:{}@host/db", "postgresql://h/db?user=a&password={}",
                                   "mysql+pymysql://me:{}@host:3306/db?ssl=1", "grpc://u:{}@h:1"]), st.booleans())
def test_no_password_is_shown(password: str, form: str, quoted: bool) -> None:
    written = quote(password, safe="") if quoted else password.translate(str.maketrans("&#?/@", "abcde"))
    url = form.format(written)
    for text in (optuna_storage.shown_address(url), optuna_storage.mask_password(f"no entry for {url} in it", url)):
        assert written not in text or written in form
    if quoted:
        assert password not in optuna_storage.mask_password(f"auth failed ({password})", url)


def test_a_storage_that_is_not_there_ends_with_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    pytest.importorskip("optuna_dashboard")
    words = ["dashboard", "--json", "--state-dir", str(tmp_path), "--storage", "postgresql://me:sesame@127.0.0.1:1/db"]
    assert run(words) == 2
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["kind"], document["code"]) == ("error", 2)
    assert "refused" in document["message"]
    assert "sesame" not in out + err and "Traceback" not in err


@needs_postgres
def test_a_tune_over_postgresql_and_over_the_proxy_to_it(server: postgres.Server, tmp_path: Path) -> None:
    """A real server, a password that needs quoting; and the same storage read through Optuna's gRPC proxy."""
    study, verdict = tuned(tmp_path, small(), 0, storage=server.url, budget=300.0)
    assert not (tmp_path / "optuna.db").exists()
    held = optuna_storage.open_storage(server.url)
    try:
        name, = optuna.get_all_study_names(held)
        found = optuna.load_study(study_name=name, storage=held)
        count = sum(len(one.user_attrs["samples"]) for one in found.trials)
        assert count == len(study.samples) and found.user_attrs["decision"] == verdict.decision
        port = _proxied(held)
        through = optuna_storage.open_storage(f"grpc://127.0.0.1:{port}")
        assert len(optuna.load_study(study_name=name, storage=through).trials) == len(found.trials)
        optuna_storage.close_storage(through)
    finally:
        optuna_storage.close_storage(held)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or postgres.PASSWORD.encode() not in path.read_bytes()
        assert not path.is_file() or quote(postgres.PASSWORD, safe="").encode() not in path.read_bytes()


@needs_postgres
def test_a_wrong_password_is_told_without_it(server: postgres.Server) -> None:
    with pytest.raises(UsageProblem, match="password authentication failed") as caught:
        optuna_storage.open_storage(server.url.replace(quote(postgres.PASSWORD, safe=""), "no-sesame"))
    assert "no-sesame" not in caught.value.message


def _proxied(storage: optuna.storages.BaseStorage) -> int:
    """A gRPC proxy to a storage, in a thread that ends with the tests; its port."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    threading.Thread(target=optuna.storages.run_grpc_proxy_server, args=(storage,),
                     kwargs={"host": "127.0.0.1", "port": port}, daemon=True).start()
    return port


@pytest.mark.parametrize("words", [["status"], ["history"], ["probe"], ["verify"], ["profiles", "list"], ["--help"],
                                   ["tune", "--help"]], ids=" ".join)
def test_what_only_looks_imports_no_optuna(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "launch.py").write_text("")
    (tmp_path / "webui-user.sh").write_text('export COMMANDLINE_ARGS="--xformers"\n')
    heavy = {"optuna", "sqlalchemy", "alembic", "grpc", "psycopg", "optuna_dashboard"}
    script = (
        "import sys\nfrom autotune.cli.main import run\n"
        f"run(['--webui', {str(tmp_path)!r}, '--state-dir', {str(tmp_path / 's')!r}, *{words!r}])\n"
        f"print(sorted(set(sys.modules) & {heavy!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
