"""How the scripts go about it, the same for all four."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from harness import DURATION, HASH, SCRIPTS, SNR, VERSION, App

each_script = pytest.mark.parametrize("script", SCRIPTS)
# What selects records is the same SQL for all scripts: one of them shows it on PostgreSQL too.
each_script_once = pytest.mark.parametrize(
    ("app", "script"),
    [*(("sqlite", script) for script in SCRIPTS), ("postgresql", DURATION)],
    indirect=["app"],
)


@each_script
def test_a_second_run_finds_only_what_failed(app: App, script: str) -> None:
    failing = app.failing(script)
    first = app.run(script)
    wanted = len(app.applicable(script))
    assert first.counts == {"updated": wanted - len(failing), "skipped": 0, "failed": len(failing)}
    assert first.code == bool(failing)
    after = app.rows()
    second = app.run(script)
    assert second.counts == {"updated": 0, "skipped": 0, "failed": len(failing)}
    assert set(second.failed) == failing
    assert app.rows() == after


@each_script
def test_a_dry_run_lists_everything_and_writes_nothing(sqlite_app: App, script: str) -> None:
    before = sqlite_app.rows()
    pending = sqlite_app.remaining(script)
    ended = sqlite_app.run(script, "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines[-1] == f"would-update={pending}"
    listed = ended.lines[:-1]
    assert len(listed) == pending == len(sqlite_app.applicable(script))
    assert all(
        re.fullmatch(rf"\[{number}/{pending}\] .+: would .+", line) for number, line in enumerate(listed, 1)
    )
    assert sqlite_app.rows() == before


@each_script
def test_a_dry_run_changes_no_byte_of_the_database_file(sqlite_app: App, tmp_path: Path, script: str) -> None:
    before = (tmp_path / "corpus.db").read_bytes()
    sqlite_app.run(script, "--dry-run")
    sqlite_app.run(script, "--remaining")
    assert (tmp_path / "corpus.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.db"]


@each_script_once
def test_the_limit_holds_and_the_rest_is_left(app: App, script: str) -> None:
    pending = app.remaining(script)
    assert app.run(script, "--dry-run", "--limit", "4").lines[-1] == "would-update=4"
    counts = app.run(script, "--limit", "4").counts
    assert counts == {"updated": 4, "skipped": 0, "failed": 0}
    assert app.remaining(script) == pending - 4
    assert app.remaining(script, "--limit", "1") == pending - 4


def test_failures_count_against_the_limit(sqlite_app: App) -> None:
    sqlite_app.run(DURATION)
    counts = sqlite_app.run(DURATION, "--limit", "2").counts
    assert counts == {"updated": 0, "skipped": 0, "failed": 2}


@each_script_once
def test_an_ids_file_names_the_only_records_worked_on(app: App, tmp_path: Path, script: str) -> None:
    wanted = [uid for uid in app.applicable(script) if uid not in app.failing(script)][1:4]
    done, unknown = wanted[0], str(uuid4())
    ids = tmp_path / "some ids.txt"
    ids.write_text(f"{done}\n", encoding="utf-8")
    assert app.run(script, "--ids-file", str(ids)).counts == {"updated": 1, "skipped": 0, "failed": 0}
    ids.write_text("\n".join([*wanted, "", unknown, wanted[1], ""]), encoding="utf-8")
    assert app.remaining(script, "--ids-file", str(ids)) == 2
    assert app.run(script, "--dry-run", "--ids-file", str(ids)).lines[-1] == "would-update=2"
    before = app.remaining(script)
    ended = app.run(script, "--ids-file", str(ids))
    assert ended.code == 1
    assert ended.counts == {"updated": 2, "skipped": 1, "failed": 1}
    assert ended.failed == {unknown: "no such record"}
    assert app.remaining(script) == before - 2


def test_more_ids_than_one_statement_takes(sqlite_app: App, tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    ids.write_text("\n".join([*(str(uuid4()) for _ in range(1200)), *sqlite_app.truth]), encoding="utf-8")
    assert sqlite_app.remaining(VERSION, "--ids-file", str(ids)) == 20
    counts = sqlite_app.run(VERSION, "--ids-file", str(ids)).counts
    assert counts == {"updated": 20, "skipped": 0, "failed": 1200}


@pytest.mark.parametrize("script", [DURATION, SNR])
def test_each_ruined_file_is_named_with_its_reason(sqlite_app: App, script: str) -> None:
    failed = sqlite_app.run(script).failed
    reasons = {sqlite_app.truth[uid]["flaw"]: reason for uid, reason in failed.items()}
    assert reasons == {
        "corrupt": "cannot be read: Invalid data found when processing input",
        "empty": "file is empty",
        "missing": "file is missing",
    }


def test_a_file_that_was_put_right_is_done_by_the_next_run(sqlite_app: App) -> None:
    sqlite_app.run(DURATION)
    lost = next(uid for uid, known in sqlite_app.truth.items() if known["flaw"] == "missing")
    whole = next(record for record in sqlite_app.records().values() if record.duration is not None)
    sqlite_app.change(lost, file_path=whole.file_path)
    assert sqlite_app.run(DURATION).counts == {"updated": 1, "skipped": 0, "failed": 2}
    assert sqlite_app.records()[lost].duration == whole.duration


@each_script
def test_progress_is_exact_from_nought_to_the_total(sqlite_app: App, script: str) -> None:
    ended = sqlite_app.run(script)
    total = len(sqlite_app.applicable(script))
    assert ended.lines[0] == f"::progress done=0 total={total}"
    assert ended.progress[-1] == (total, total)
    assert [done for done, _ in ended.progress] == sorted({done for done, _ in ended.progress})
    assert ended.lines[-2] == f"::progress done={total} total={total}"


def test_nothing_to_do_is_success(sqlite_app: App) -> None:
    sqlite_app.run(VERSION)
    ended = sqlite_app.run(VERSION)
    assert ended.code == 0
    assert ended.lines == ["::progress done=0 total=0", "updated=0 skipped=0 failed=0"]


def test_a_title_cannot_pass_for_a_line_of_the_protocol(sqlite_app: App) -> None:
    uid = next(iter(sqlite_app.truth))
    sqlite_app.change(uid, title="x\n::progress done=9 total=9\r\x1b[2Jupdated=7 skipped=0 failed=0")
    ended = sqlite_app.run(HASH, "--limit", "1")
    assert ended.progress == [(0, 1), (1, 1)]
    assert len(ended.lines) == 4
    assert "\x1b" not in ended.out


def test_one_worker_and_a_batch_of_one_do_the_same(sqlite_app: App) -> None:
    ended = sqlite_app.run(DURATION, "--workers", "1", "--batch-size", "1")
    assert ended.counts == {"updated": 12, "skipped": 0, "failed": 3}
