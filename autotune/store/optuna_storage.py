"""Optuna's storage by its URL: SQLite, PostgreSQL and what else SQLAlchemy reaches, or Optuna's gRPC proxy.

Errors are one line without the URL's password. Importing this module does not import Optuna.
"""

from __future__ import annotations

import gc
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from autotune.disk.files import make_folder, open_to_append
from autotune.disk.own_install import how_to_add
from autotune.language.translate import N_, _
from autotune.model.errors import StateDamaged, UsageProblem
from autotune.secrets.mask import MASK, masked

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

ENVIRONMENT = "AUTOTUNE_STORAGE"
"""Names the storage where ``--storage`` does not, so that a password need not stand on a command line."""
GRPC_PORT = 13000
REACHED_WITHIN = 10
"""Seconds in which a storage must answer when it is opened."""
FIRST_TRIES = 30
"""Tries to open a database that another process is creating, a tenth of a second apart."""
LOCKED_FOR = 30
"""Seconds for which SQLite waits for another process's write; one takes milliseconds."""
FORMS = N_("Say sqlite:///FILE, postgresql://USER@HOST/DATABASE or grpc://HOST:PORT.")


def url_of(path: Path) -> str:
    """The URL of an SQLite file, as Optuna and optuna-dashboard take it."""
    return f"sqlite:///{path.resolve().as_posix()}"


def storage_errors() -> tuple[type[Exception], ...]:
    """The exceptions that Optuna's storages raise when they cannot be reached or written, or hold something else."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    found: list[type[Exception]] = [optuna.exceptions.OptunaError, SQLAlchemyError, OSError, KeyError]
    with suppress(ImportError):
        import grpc

        found.append(grpc.RpcError)
    return tuple(found)


def open_storage(url: str) -> BaseStorage:
    """The storage of a URL that the user gave.

    Raises UsageProblem: no such kind, its driver is missing, it cannot be reached, or holds something else.
    """
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme.lower(), parts.port
    except ValueError as error:
        why = mask_password(str(error), url)
        raise UsageProblem(_("--storage {url}: no address: {reason}").format(
                               url=shown_address(url), reason=why), _(FORMS)) from None
    if scheme == "grpc":
        return _proxy(url, parts.hostname or "localhost", port or GRPC_PORT)
    return _database(url)


def open_own_storage(path: Path) -> BaseStorage:
    """The SQLite file at ``path``, created where there is none. One that is no database is moved aside: it holds
    nothing that the studies do not. Raises StateDamaged."""
    from sqlalchemy.exc import DatabaseError, OperationalError

    make_folder(path.parent)
    with suppress(OSError):
        os.close(open_to_append(path))  # SQLite leaves a file's mode as it finds it
    try:
        return _engine(url_of(path), own=True)
    except storage_errors() as problem:
        cause = problem if isinstance(problem, DatabaseError) else problem.__cause__
        moved = isinstance(cause, DatabaseError) and not isinstance(cause, OperationalError)
        kind = type(problem).__name__
        del problem, cause
    if moved:
        # The storage that was not made to its end still holds the file open, which Windows then does not rename.
        gc.collect()
        with suppress(OSError):
            path.replace(path.with_name(path.name + ".damaged"))
            return open_own_storage(path)
    raise StateDamaged(_("Optuna's storage cannot be written to {path}: {kind}").format(path=path, kind=kind),
                       _("The studies themselves are safe; remove that file to have it made again."))


def _database(url: str) -> BaseStorage:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageProblem(
            _("--storage {url}: not an address of a storage").format(url=shown_address(url)),
            _(FORMS)) from None
    try:
        return _open_while_made(parsed.render_as_string(hide_password=False))
    except ImportError:
        raise UsageProblem(
            _("--storage {url}: its driver is not installed").format(url=shown_address(url)),
            _("The one for PostgreSQL comes by: {command}").format(
                command=how_to_add(["psycopg[binary]"]))) from None
    except storage_errors() as problem:
        cause = problem if isinstance(problem, DBAPIError) else problem.__cause__ or problem
        why = str(cause.orig if isinstance(cause, DBAPIError) else cause).strip().splitlines()
        said = mask_password(why[0] if why else type(cause).__name__, url)
        raise UsageProblem(
            _("--storage {url}: cannot be used: {reason}").format(url=shown_address(url), reason=said),
            _("Start the server, or check host, user and database; without --storage a file of autotune's own is "
              "used.")) from None


def _open_while_made(url: str) -> BaseStorage:
    """Opens a database that another process may be creating at this moment: the second one finds its tables
    incomplete."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for tries_left in range(FIRST_TRIES, -1, -1):
        try:
            return _engine(url)
        except (IntegrityError, OperationalError, ProgrammingError) as problem:
            said = str(problem.orig).lower()
            if not tries_left or not any(word in said for word in ("exists", "unique", "duplicate", "no such table")):
                raise
        time.sleep(0.1)
    raise AssertionError("the last try returns or raises")


def _engine(url: str, own: bool = False) -> BaseStorage:
    import optuna
    from sqlalchemy import event

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sqlite = url.startswith("sqlite")
    wait = {"timeout": LOCKED_FOR} if sqlite else {"connect_timeout": REACHED_WITHIN} if "psycopg" in url else {}
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": wait, "pool_pre_ping": not sqlite})
    if sqlite and own:
        # Who looks at it keeps nobody from writing, and a trial's dozen of small writes wait for no disk.
        event.listen(storage.engine, "connect", lambda connection, __: connection.executescript(
            "pragma journal_mode=wal; pragma synchronous=normal;"))
        storage.engine.dispose()
    return storage


def _proxy(url: str, host: str, port: int) -> BaseStorage:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        import grpc  # noqa: F401
        import optuna.storages._grpc.auto_generated.api_pb2
    except ImportError:
        raise UsageProblem(
            _("--storage {url}: gRPC is not installed").format(url=shown_address(url)),
            _("Add it by: {command}").format(command=how_to_add(["grpcio", "protobuf"]))) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        proxy = optuna.storages.GrpcStorageProxy(host=host, port=port)
    try:
        proxy.wait_server_ready(timeout=REACHED_WITHIN)
    except OSError:
        proxy.close()
        raise UsageProblem(
            _("--storage {url}: nobody answers there within {seconds} s").format(
                url=shown_address(url), seconds=REACHED_WITHIN),
            _("Start Optuna's gRPC proxy there (optuna.storages.run_grpc_proxy_server).")) from None
    return proxy


def close_storage(storage: BaseStorage) -> None:
    """Closes a storage's connections."""
    backend = getattr(storage, "_backend", storage)
    engine = getattr(backend, "engine", None)
    if engine is not None:
        with suppress(*storage_errors()):
            backend.remove_session()
            engine.dispose()
    elif hasattr(backend, "close"):
        backend.close()


def shown_address(url: str) -> str:
    """A URL as it may be printed: without password."""
    return masked(mask_password(url, url))


def mask_password(text: str, url: str) -> str:
    """A text in which the password of ``url`` is masked, as it is written there and decoded."""
    for secret in _secrets(url):
        text = text.replace(secret, MASK)
    return text


def _secrets(url: str) -> list[str]:
    """Passwords in a URL: before the last @ of its host part, and in its query."""
    rest = url.partition("://")[2]
    login, at, __ = rest.partition("?")[0].rpartition("@")
    __, colon, password = login.partition(":")
    found = [password] if at and colon else []
    for pair in rest.partition("?")[2].split("&"):
        name, __, value = pair.partition("=")
        if "pass" in name.lower() or "secret" in name.lower() or "key" in name.lower():
            found.append(value)
    whole = {form for one in found if one for form in (one, unquote(one))}
    return sorted(whole, key=len, reverse=True)
