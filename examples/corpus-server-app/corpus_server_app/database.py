"""The connection: where the database is, and a plain sentence when it cannot be used."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlmodel import SQLModel

from corpus_server_app import models

APP_FOLDER = Path(__file__).resolve().parent.parent
_CONNECT_TIMEOUT = 10
_BUSY_TIMEOUT = 30


class DatabaseError(Exception):
    """The database cannot be used; the text says why and never holds a password."""


def database_url(environ: Mapping[str, str] = os.environ) -> URL:
    """Where the database is: ``DATABASE_URL``, or ``corpus.db`` in the app's folder.

    Raises:
        DatabaseError: the variable is empty or not an address of SQLite or PostgreSQL.
    """
    text = environ.get("DATABASE_URL")
    if text is None:
        return URL.create("sqlite", database=str(APP_FOLDER / "corpus.db"))
    if not text.strip():
        raise DatabaseError("DATABASE_URL is set but empty; unset it to use corpus.db")
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        # The original error may repeat the address, and with it the password.
        raise DatabaseError(
            "DATABASE_URL is not a database address (sqlite:///FILE or postgresql://...)"
        ) from None
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise DatabaseError(
            f"DATABASE_URL: {url.get_backend_name()} is not supported, only sqlite and postgresql"
        )
    return url


def connect(url: URL, *, read_only: bool = False) -> Engine:
    """An engine for the address; nothing is opened yet. With ``read_only`` the database refuses writes."""
    sqlite = url.get_backend_name() == "sqlite"
    connect_args: dict[str, Any] = (
        {"timeout": _BUSY_TIMEOUT} if sqlite else {"connect_timeout": _CONNECT_TIMEOUT}
    )
    options = {} if sqlite or not read_only else {"postgresql_readonly": True}
    try:
        engine = create_engine(url, connect_args=connect_args, execution_options=options)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise DatabaseError(f"DATABASE_URL: no driver is installed for {url.drivername}") from None
    if sqlite:
        statements = ["PRAGMA foreign_keys=ON"]
        if read_only:
            statements.append("PRAGMA query_only=ON")

        def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
            for statement in statements:
                connection.execute(statement)

        event.listen(engine, "connect", prepare)
    return engine


def open_database(*, read_only: bool = False) -> Engine:
    """An engine on a database that was reached and has the app's tables.

    Raises:
        DatabaseError: it cannot be reached, or a table or column is missing.
    """
    url = database_url()
    name = url.database or ""
    if url.get_backend_name() == "sqlite" and not name.startswith("file:") and not Path(name).is_file():
        # SQLite would create an empty database under a mistyped name.
        raise DatabaseError(
            f"no database at {name or 'memory'}; make one with make_corpus.py or set DATABASE_URL"
        )
    engine = connect(url, read_only=read_only)
    try:
        inspector = inspect(engine)
        present = {
            table: {column["name"] for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }
    except DBAPIError as error:
        raise DatabaseError(f"cannot open {described(url)}: {reason(error, url)}") from None
    for table in (models.Record, models.RecordVersion):
        name = str(table.__tablename__)
        if name not in present:
            raise DatabaseError(f"{described(url)} has no table {name}; make the tables with make_corpus.py")
        if missing := {column.name for column in SQLModel.metadata.tables[name].columns} - present[name]:
            raise DatabaseError(f"{described(url)}: table {name} lacks {', '.join(sorted(missing))}")
    return engine


def described(url: URL) -> str:
    """The database in words, without user or password."""
    if url.get_backend_name() == "sqlite":
        return f"the SQLite database {url.database}"
    host = url.host or url.query.get("host") or "this machine"
    return f"the PostgreSQL database {url.database} on {host}"


def reason(error: DBAPIError, url: URL) -> str:
    """The first line of what the driver said, any password in it masked."""
    lines = str(error.orig).strip().splitlines()
    text = lines[0] if lines else type(error.orig).__name__
    for secret in (url.password, url.query.get("password")):
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***")
    return text
