"""The four backfills of the example server, by the real uv: what they fill in, Ctrl-C, and the password."""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from conftest import Cli, Outcome, Program, Server
from tools import ended, install

from e2e.conftest import PASSWORD, PASSWORD_IN_URL, Corpus

COMMANDS = {
    "duration": "media_duration",
    "file-hash": "file_hashing",
    "snr": "snr_frequency",
    "version-0": "backfill_version_0",
}
NOTHING = "updated=0 skipped=0 failed=0"


def failed(stderr: str) -> dict[str, str]:
    """Return the reasons of the failures that were reported, by uid."""
    return dict(re.findall(r"^FAILED ([0-9a-f-]{36}): (.+)$", stderr, re.MULTILINE))


def assert_measured(corpus: Corpus, *columns: str) -> None:
    for uid, record in corpus.records().items():
        for name in columns:
            known = corpus.truth[uid][name]
            expected = known and pytest.approx(known["value"], abs=known["tolerance"])
            assert record[name] == expected


def assert_hashed(corpus: Corpus) -> None:
    for uid, record in corpus.records().items():
        known = corpus.truth[uid]
        found = (record["file_hash"], record["hash_algorithm"], record["file_size"])
        if "file_hashing" in known["fails"]:
            assert found == (None, None, None)
        else:
            assert found == (known["hashes"]["sha256"], "sha256", known["size"])


def assert_versioned(corpus: Corpus) -> None:
    versions = corpus.read("record_version")
    titles = sorted(record["title"] for record in corpus.records().values())
    snapshots = [v["snapshot"] for v in versions]
    loaded = [json.loads(s) if isinstance(s, str) else s for s in snapshots]
    assert [v["version"] for v in versions] == [0] * len(titles)
    assert sorted(s["title"] for s in loaded) == titles


def test_all_four_find_the_truth_and_a_second_time_nothing(corpus: Corpus, fill: Program) -> None:
    before = corpus.dump()
    outcome = fill(corpus, "duration", "--dry-run")
    assert (outcome.code, outcome.stdout.splitlines()[-1]) == (0, "would-update=9")
    assert corpus.dump() == before

    for command, script in COMMANDS.items():
        outcome = fill(corpus, command)
        failing = corpus.failing(script)
        assert outcome.code == (1 if failing else 0), outcome.stderr
        assert set(failed(outcome.stderr)) == failing
    assert_measured(corpus, "duration", "snr_db", "dominant_frequency_hz")
    assert_hashed(corpus)
    assert_versioned(corpus)
    full = corpus.dump()

    again = fill(corpus, "version-0")
    assert (again.code, again.stdout.splitlines()[-1]) == (0, NOTHING)
    again = fill(corpus, "duration")
    assert again.code == 1
    assert "updated=0 skipped=0 failed=3" in again.stdout
    reasons = failed(again.stderr)
    assert {known["flaw"]: reasons[uid] for uid, known in corpus.truth.items() if known["flaw"]} == {
        "corrupt": "cannot be read: Invalid data found when processing input",
        "empty": "file is empty",
        "missing": "file is missing",
    }
    assert corpus.dump() == full


@pytest.mark.parametrize("command", ["file-hash", "snr", "version-0"])
def test_a_dry_run_writes_nothing(sqlite_corpus: Corpus, fill: Program, command: str) -> None:
    before = sqlite_corpus.dump()
    outcome = fill(sqlite_corpus, command, "--dry-run")
    assert outcome.code == 0
    assert re.search(r"^would-update=[1-9]\d*$", outcome.stdout, re.MULTILINE)
    assert sqlite_corpus.dump() == before


def test_a_limit_is_kept(sqlite_corpus: Corpus, fill: Program) -> None:
    outcome = fill(sqlite_corpus, "file-hash", "--limit", "4", "--algorithm", "md5")
    assert outcome.code == 0
    hashes = {uid: row["file_hash"] for uid, row in sqlite_corpus.records().items() if row["file_hash"]}
    assert len(hashes) == 4
    assert all(sqlite_corpus.truth[uid]["hashes"]["md5"] == value for uid, value in hashes.items())


@pytest.mark.parametrize("module", ["corpus_client_cli", "corpus_client_click"])
def test_a_host_finds_the_server_beside_itself_and_fills_in_the_truth(
    sqlite_corpus: Corpus, server_app: Path, tools: Path, tmp_path: Path, module: str
) -> None:
    plugin = {"backfill": "corpus_backfill_plugin.cli:backfill"}
    site = install(tmp_path / "site", "corpus-backfill-plugin", "corpus_client_cli.plugins", plugin)
    examples = server_app.parent
    folders = (site, examples / "corpus-client", examples / "corpus-client-click", examples.parent)
    environ = os.environ | {
        "PATH": str(tools),
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "DATABASE_URL": sqlite_corpus.url,
    }

    def host(*words: str) -> Outcome:
        return ended([sys.executable, "-m", module, *words], env=environ, cwd=tmp_path)

    done = host("backfill", "duration")
    assert done.code == 1
    assert set(failed(done.stderr)) == sqlite_corpus.failing("media_duration")
    assert_measured(sqlite_corpus, "duration")
    assert ["duration", "6", "6"] in [line.split() for line in host("stats").stdout.splitlines()]


# The wakeup file gets a byte from each signal that reaches the process, even when two come at once.
COUNTING = """\
import os, signal
noted = os.open({noted!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
"""
# The server app's own script, as it is, with the signals that reach it noted.
REAL = COUNTING + "import runpy\nrunpy.run_path({script!r}, run_name='__main__')\n"
STUBBORN = (
    COUNTING
    + """\
import time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: print("not me", flush=True))
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""
)


@pytest.fixture
def uv(server: Server, server_app: Path, tools: Path, cli: Cli) -> Cli:
    """The program whose scripts uv runs in the environment of the example server app."""
    # Outside a project uv takes the environment that lies there.
    (server.folder / ".venv").symlink_to(server_app / ".venv")
    cli.environ = {"PATH": str(tools), "CORPUS_SERVER_APP_PATH": str(server.folder)}
    return cli


def test_ctrl_c_reaches_the_script_once_and_keeps_what_was_done(
    uv: Cli, server: Server, server_app: Path, long_corpus: Corpus
) -> None:
    real = server_app / "backfill" / "media_duration.py"
    noted = server.folder / "signals"
    server.script("media_duration.py", REAL.format(noted=str(noted), script=str(real)))
    words = ("duration", "--workers", "1", "--batch-size", "7")
    seen = uv.terminal(*words, rows=40, columns=100, DATABASE_URL=long_corpus.url)
    seen.until(lambda: re.search(r"\[2\d/\d{4}\] ", seen.text))
    seen.process.sendintr()
    seen.until("Asked duration")
    seen.finish(code=130)
    assert noted.read_bytes() == b"\x02"

    record = uv.shown()
    assert (record["state"], record["exit_code"]) == ("stopped", 130)
    counts = re.search(r"^updated=(\d+) skipped=0 failed=0$", uv("runs", "logs").stdout, re.MULTILINE)
    assert counts
    assert 20 <= int(counts[1]) < 2000
    assert long_corpus.filled("duration") == int(counts[1])


def test_a_second_ctrl_c_ends_a_script_that_ignores_the_first(
    uv: Cli, server: Server, tmp_path: Path
) -> None:
    noted = tmp_path / "signals"
    server.script("media_duration.py", STUBBORN.format(noted=str(noted)))
    seen = uv.terminal("duration", DATABASE_URL=f"sqlite:///{tmp_path}/none.db")
    seen.until("ready")
    seen.process.sendintr()
    seen.until("not me")
    assert noted.read_bytes() == b"\x02"
    seen.process.sendintr()
    seen.until("Ending duration")
    seen.finish(code=137)
    assert noted.read_bytes()[1:].strip(b"\x0f") == b""  # asked to terminate, never interrupted again
    record = uv.shown()
    assert (record["state"], record["signal"]) == ("stopped", 9)


@contextmanager
def onlooker() -> Iterator[set[str]]:
    """Another user of the machine, who reads every process's argument list over and over."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):  # it has ended meanwhile
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def assert_unseen(text: str) -> None:
    assert not [form for form in (PASSWORD, PASSWORD_IN_URL) if form in text]


def assert_not_kept(state: Path, cli: Cli, outcome: Outcome) -> None:
    """Check that no file of the run, and nothing that is said of it, holds the password."""
    files = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert {"stdout.log", "stderr.log"} <= {path.name for path in files}
    assert any(content.startswith(b"SQLite format 3") for content in files.values())
    for content in files.values():
        assert_unseen(content.decode(errors="replace"))
    assert_unseen(outcome.stdout + outcome.stderr)
    for words in (("show", "--json"), ("show",), ("list",), ("logs",)):
        shown = cli("runs", *words)
        assert shown.code == 0
        assert_unseen(shown.stdout + shown.stderr)


@pytest.mark.xdist_group("postgresql")
def test_a_password_is_in_no_argument_list_no_record_and_no_log(
    postgresql_corpus: Corpus, fill: Program, cli: Cli, tmp_path: Path
) -> None:
    assert PASSWORD_IN_URL in postgresql_corpus.url
    with onlooker() as seen:
        outcome = fill(postgresql_corpus, "duration", "--limit", "2")
    assert outcome.code == 0
    assert postgresql_corpus.filled("duration") == 2
    for program in ("backfill/media_duration.py", "corpus_backfill_plugin"):
        assert [line for line in seen if program in line]
    assert_unseen("\n".join(seen))
    assert_not_kept(tmp_path / "state", cli, outcome)
    assert cli.shown()["database"].startswith("postgresql://corpus:***@/test_")


def test_a_failing_connection_forwards_the_script_s_code_and_keeps_the_password(
    fill: Program, cli: Cli, tmp_path: Path
) -> None:
    # Port 1 takes no connections; the script is told at once.
    nowhere = Corpus(f"postgresql://corpus:{PASSWORD_IN_URL}@127.0.0.1:1/corpus", tmp_path)
    outcome = fill(nowhere, "duration")
    assert outcome.code == 2
    assert "refused" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert_not_kept(tmp_path / "state", cli, outcome)
    assert (cli.shown()["state"], cli.shown()["exit_code"]) == ("failed", 2)
