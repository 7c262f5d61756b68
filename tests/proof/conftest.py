"""Scripts that work, preview and count like the server's own, on a file in the place of a database."""

import sys
from pathlib import Path

import pytest
from conftest import Server

WORKING = '''\
"""Counts down the number in the file that DATABASE_URL names; FAULT tells what goes wrong."""
import argparse, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--media-type", default="both")
parser.add_argument("--workers", type=int)
parser.add_argument("--batch-size", type=int)
parser.add_argument("--dry-run", action="store_true")
parser.add_argument("--limit", type=int)
parser.add_argument("--remaining", action="store_true")
options = parser.parse_args()
store = pathlib.Path(os.environ["DATABASE_URL"].rpartition("@")[2].partition("///")[2])
pending = int(store.read_text())
with store.with_suffix(".calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
todo = min(pending, options.limit or pending)
if options.remaining:
    fault = os.environ.get("FAULT")
    if fault == "hangs":
        time.sleep(60)
    if fault == "exits":
        sys.exit("no such table: records")
    print("banana" if fault == "nonsense" else f"pending={pending}")
elif options.dry_run:
    print(f"would-update={todo}")
else:
    store.write_text(str(pending - todo))
    print(f"updated={todo} skipped=0 failed=0")
'''

SPEC = r"""
script = "media_duration.py"
short-help = "Fill in missing media durations."

[[option]]
name = "media-type"
choices = ["audio", "video", "both"]
default = "both"

[[option]]
name = "workers"
type = "int"

[output]
result = [
  '^updated={updated} skipped={skipped} failed={failed}',
  '^would-update={would_update}',
  '^pending={pending}',
]

[postcondition]
run = ["--remaining"]
expect = { pending = 0 }
skip-if-given = ["limit"]
timeout = "20s"
"""


class Store:
    """The number of records that are left, and how the script was called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.set(12)

    def set(self, pending: int) -> None:
        """Leave so many records to do."""
        self.path.write_text(str(pending), encoding="utf-8")

    @property
    def pending(self) -> int:
        """How many are left."""
        return int(self.path.read_text(encoding="utf-8"))

    @property
    def calls(self) -> list[str]:
        """The argument lists that the script got, the oldest first."""
        path = self.path.with_suffix(".calls")
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A database of twelve records."""
    return Store(tmp_path / "store")


@pytest.fixture
def working(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server app with one command that works on the store, and no other."""
    server.script("media_duration.py", WORKING)
    server.spec("duration", SPEC)
    for name in ("file-hash", "snr", "version-0"):
        server.spec(name, 'script = "media_duration.py"\nhidden = true\n')
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(server.folder))
    monkeypatch.setenv("CORPUS_BACKFILL_PYTHON", sys.executable)
    monkeypatch.setenv("DATABASE_URL", store.url)
    return server
