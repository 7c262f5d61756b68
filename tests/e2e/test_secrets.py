"""The database's password is seen by the script and by nobody else."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from e2e.corpus import PASSWORD, PASSWORD_IN_URL, Corpus

if TYPE_CHECKING:
    from conftest import Cli, Outcome

    from e2e.conftest import Backfill

FORMS = (PASSWORD, PASSWORD_IN_URL)


class Onlooker:
    """Another user of the machine, who reads every process's argument list over and over."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # it has ended meanwhile


def assert_unseen(text: str) -> None:
    assert not [form for form in FORMS if form in text]


def assert_not_kept(state: Path, cli: Cli, outcome: Outcome) -> None:
    """No file of the run, and nothing that is said of it, holds the password."""
    files = [path for path in state.rglob("*") if path.is_file()]
    assert {"stdout.log", "stderr.log"} <= {path.name for path in files}
    assert any(path.read_bytes().startswith(b"SQLite format 3") for path in files)
    for path in files:
        assert not [form for form in FORMS if form.encode() in path.read_bytes()], path
    for text in (outcome.stdout, outcome.stderr):
        assert_unseen(text)
    for words in (["runs", "show", "--json"], ["runs", "show"], ["runs", "list"], ["runs", "logs"]):
        shown = cli(*words)
        assert shown.code == 0
        assert_unseen(shown.stdout + shown.stderr)


@pytest.mark.xdist_group("postgresql")
def test_a_password_is_in_no_argument_list_no_record_and_no_log(
    postgresql_corpus: Corpus, backfill: Backfill, cli: Cli, tmp_path: Path
) -> None:
    assert PASSWORD_IN_URL in postgresql_corpus.url
    with Onlooker() as onlooker:
        outcome = backfill(postgresql_corpus, "duration", "--limit", "2")
    assert outcome.code == 0
    assert postgresql_corpus.filled("duration") == 2
    assert [line for line in onlooker.seen if "backfill/media_duration.py" in line]
    assert [line for line in onlooker.seen if "corpus_backfill_plugin" in line]
    for line in onlooker.seen:
        assert_unseen(line)
    assert_not_kept(tmp_path / "state", cli, outcome)
    record = json.loads(cli("runs", "show", "--json").stdout)
    assert record["database"].startswith("postgresql://corpus:***@/test_")


def test_a_failing_connection_forwards_the_script_s_code_and_keeps_the_password(
    backfill: Backfill, cli: Cli, tmp_path: Path
) -> None:
    # Port 1 takes no connections; the script is told at once.
    nowhere = Corpus(f"postgresql://corpus:{PASSWORD_IN_URL}@127.0.0.1:1/corpus", tmp_path)
    outcome = backfill(nowhere, "duration")
    assert outcome.code == 2
    assert "refused" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert_not_kept(tmp_path / "state", cli, outcome)
    record = json.loads(cli("runs", "show", "--json").stdout)
    assert (record["state"], record["exit_code"]) == ("failed", 2)
