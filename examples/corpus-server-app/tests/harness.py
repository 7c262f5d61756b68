"""The app under test: its scripts as real processes, its database read directly."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import create_engine, text
from sqlmodel import Session, select

from corpus_server_app.database import connect, database_url
from corpus_server_app.models import Record, RecordVersion

ROOT = Path(__file__).resolve().parent.parent
DURATION, HASH, SNR, VERSION = "media_duration", "file_hashing", "snr_frequency", "backfill_version_0"
SCRIPTS = (DURATION, HASH, SNR, VERSION)


@dataclass(frozen=True)
class Ended:
    """A script that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def counts(self) -> dict[str, int]:
        """The last line, which has to be the summary."""
        assert re.fullmatch(r"updated=\d+ skipped=\d+ failed=\d+", self.lines[-1]), self
        return {name: int(number) for name, number in (part.split("=") for part in self.lines[-1].split())}

    @property
    def failed(self) -> dict[str, str]:
        """Reasons by uid; standard error has to hold nothing else."""
        found = [re.fullmatch(r"FAILED ([0-9a-f-]{36}): (.+)", line) for line in self.err.splitlines()]
        assert all(found), self.err
        return {match[1]: match[2] for match in found if match}

    @property
    def progress(self) -> list[tuple[int, int]]:
        found = re.findall(r"^::progress done=(\d+) total=(\d+)$", self.out, re.MULTILINE)
        return [(int(done), int(total)) for done, total in found]


def environment(url: str | None) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return environ if url is None else {**environ, "DATABASE_URL": url}


def run(script: str, *args: str, url: str | None, root: Path = ROOT) -> Ended:
    path = "make_corpus.py" if script == "make_corpus" else f"backfill/{script}.py"
    ended = subprocess.run(
        [sys.executable, path, *args],
        cwd=root,
        env=environment(url),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@dataclass
class App:
    """One database of a corpus, of which the files are shared."""

    url: str
    media: Path

    @cached_property
    def truth(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads((self.media / "truth.json").read_text(encoding="utf-8"))
        return found

    def failing(self, script: str) -> set[str]:
        return {uid for uid, known in self.truth.items() if script in known["fails"]}

    def applicable(self, script: str) -> list[str]:
        media_types = {"audio", "video"} if script in {DURATION, SNR} else {"audio", "video", "image", "text"}
        return [uid for uid, known in self.truth.items() if known["media_type"] in media_types]

    def run(self, script: str, *args: str) -> Ended:
        return run(script, *args, url=self.url)

    def remaining(self, script: str, *args: str) -> int:
        ended = self.run(script, "--remaining", *args)
        assert (ended.code, ended.err) == (0, "")
        match = re.fullmatch(r"pending=(\d+)\n", ended.out)
        assert match, ended.out
        return int(match[1])

    def start(self, script: str, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, f"backfill/{script}.py", *args],
            cwd=ROOT,
            env=environment(self.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # As from a shell in the foreground, whatever started the tests.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
        )

    def records(self) -> dict[str, Record]:
        with self.session() as session:
            return {str(record.uid): record for record in session.exec(select(Record)).all()}

    def versions(self) -> list[RecordVersion]:
        with self.session() as session:
            return list(session.exec(select(RecordVersion)).all())

    def rows(self) -> list[tuple[Any, ...]]:
        """Everything in both tables, to be compared."""
        with self.session() as session:
            connection = session.connection()
            return [
                tuple(map(str, row))
                for table in ("record", "record_version")
                for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))
            ]

    @contextmanager
    def session(self) -> Iterator[Session]:
        engine = connect(database_url({"DATABASE_URL": self.url}))
        with Session(engine) as session:
            yield session
        engine.dispose()

    def change(self, uid: str, **values: object) -> None:
        with self.session() as session:
            record = session.get_one(Record, UUID(uid))
            for name, value in values.items():
                setattr(record, name, value)
            session.add(record)
            session.commit()


def administrate(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    engine = create_engine(database_url({"DATABASE_URL": url}), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
