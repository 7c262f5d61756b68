"""A server app with one command that does as its options say, and the runs of it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Backfill, Server
from tools import Kept

WORK = '''\
"""Pretends to work on the items of the file PENDING: those that --bad names fail, the others are done."""
import argparse, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--dry-run", action="store_true")
parser.add_argument("--limit", type=int)
parser.add_argument("--remaining", action="store_true")
parser.add_argument("--ids-file")
parser.add_argument("--bad", default="")
parser.add_argument("--pause", type=float, default=0)
parser.add_argument("--count", default="right")
options = parser.parse_args()
place = pathlib.Path(os.environ["PENDING"])
pending = place.read_text().split()
if options.ids_file:
    asked = pathlib.Path(options.ids_file).read_text().split()
    pending = [item for item in pending if item in asked]
if options.remaining:
    with place.with_suffix(".counts").open("a") as counts:
        print(os.getpid(), file=counts)
    if options.count == "hangs" or (options.count == "hangs-once" and
            len(place.with_suffix(".counts").read_text().split()) == 1):
        time.sleep(60)
    if options.count == "exits":
        sys.exit("no such table")
    print("banana" if options.count == "nonsense" else f"pending={len(pending)}")
    sys.exit()
todo = pending[: options.limit]
failed = 0
for number, item in enumerate(todo, start=1):
    if item in options.bad.split(","):
        failed += 1
        print(f"FAILED {item}: is bad", file=sys.stderr, flush=True)
    elif not options.dry_run:
        place.write_text(" ".join(i for i in place.read_text().split() if i != item))
    print(f"item {item}")
    print(f"::progress done={number} total={len(todo)}", flush=True)
    time.sleep(options.pause)
print(f"updated={len(todo) - failed} failed={failed}")
'''

SPEC = r"""
script = "work.py"
common = ["dry-run", "limit"]

[[option]]
name = "bad"

[[option]]
name = "pause"

[[option]]
name = "count"

[[option]]
name = "ids-file"
type = "path"
role = "retry-items"

[output]
failed = '^FAILED {item}: {reason}'
result = ['^updated={updated} failed={failed}', '^pending={pending}']
"""
WATCHED_OR_NOT = pytest.mark.parametrize("how", [(), ("--detach",)], ids=["watched", "left alone"])
PROVED = (
    SPEC
    + """
[postcondition]
run = ["--remaining"]
expect = { pending = 0 }
skip-if-given = ["limit"]
timeout = "%s"
"""
)


class Place(Kept, Backfill):
    """The program, the server's folder, what is left to do there, and the runs of it."""

    def __init__(self, server: Server, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        Kept.__init__(self)
        Backfill.__init__(self, folder)
        self.server, self.capfd = server, capfd
        self.file = folder / "pending"
        self.fill(6)

    def fill(self, count: int) -> None:
        """Leave so many items to do, `a1` the first."""
        self.file.write_text(" ".join(f"a{number}" for number in range(1, count + 1)), encoding="utf-8")

    @property
    def counts(self) -> int:
        path = self.file.with_suffix(".counts")
        return len(path.read_text(encoding="utf-8").split()) if path.exists() else 0

    def kill(self) -> None:
        """Kill the first run and its supervisor, so that nobody finishes it."""
        facts = self.process()
        for pid in (facts.supervisor, facts.pid):
            os.kill(pid, 9)

    def edit(self, old: str, new: str, file: str = "work.toml", *, end: str = "") -> None:
        path = self.server.scripts / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new) + end, encoding="utf-8")

    def heal(self, *good: str) -> None:
        """Change the script so that these items are not bad any more."""
        self.edit("item in options", f"item not in {good} and item in options", "work.py")

    def failed(self, number: int = 1) -> list[str]:
        return [
            row[0] for row in self.sql("SELECT item FROM failures WHERE run = ? ORDER BY position", number)
        ]


@pytest.fixture(autouse=True)
def place(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    """A server app with the command `work` on six items."""
    server.script("work.py", WORK)
    server.spec("work", SPEC)
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(server.folder))
    monkeypatch.setenv("CORPUS_BACKFILL_PYTHON", sys.executable)
    monkeypatch.setenv("PENDING", str(tmp_path / "pending"))
    made = Place(server, tmp_path, capfd)
    yield made
    made.end_all()
    made.close()


@pytest.fixture
def proved(place: Place) -> Place:
    place.server.spec("work", PROVED % "20s")
    return place
