"""Being stopped or killed in the middle."""

import signal
import subprocess
from pathlib import Path

import pytest
from harness import DURATION, SNR, App, Ended, run


@pytest.fixture
def long_app(tmp_path: Path) -> App:
    """Enough records that a run can be met in its middle."""
    app = App(f"sqlite:///{tmp_path / 'corpus.db'}", tmp_path / "media")
    ended = run("make_corpus", "--records", "9", "--bulk", "3000", "--media", str(app.media), url=app.url)
    assert ended.code == 0, ended.err
    return app


def until_record(process: subprocess.Popen[str], number: int) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith(f"[{number}/"):
            return seen
    raise AssertionError(seen)


def ended(process: subprocess.Popen[str], seen: str) -> Ended:
    # Not communicate(), which would pass over what the loop above has already buffered.
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out, process.stderr as err:
        seen += out.read()
        return Ended(process.wait(timeout=60), seen, err.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("script", [DURATION, SNR])
def test_a_signal_ends_the_script_with_all_that_is_done_committed(
    long_app: App, script: str, number: signal.Signals
) -> None:
    process = long_app.start(script)
    seen = until_record(process, 25)
    process.send_signal(number)
    result = ended(process, seen)
    assert result.code == 128 + number
    assert result.err == ""
    reported = sum(line.startswith("[") for line in result.lines)
    records = long_app.records().values()
    filled = sum(record.duration is not None or record.has_sound is not None for record in records)
    assert 25 <= filled < 2000
    assert result.counts == {"updated": filled, "skipped": 0, "failed": 0}
    assert reported == filled
    assert result.progress[-1][0] == filled


def test_a_second_signal_at_once_is_the_same_keypress(long_app: App) -> None:
    process = long_app.start(SNR)
    seen = until_record(process, 3)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    result = ended(process, seen)
    assert result.code == 130
    assert result.counts["updated"] >= 3


def test_a_stopped_run_is_finished_by_the_next(long_app: App) -> None:
    process = long_app.start(DURATION)
    seen = until_record(process, 12)
    process.send_signal(signal.SIGINT)
    first = ended(process, seen).counts["updated"]
    left = long_app.remaining(DURATION)
    assert long_app.run(DURATION).counts == {"updated": left, "skipped": 0, "failed": 0}
    assert first + left == len(long_app.applicable(DURATION))


def test_a_kill_loses_a_batch_at_most(long_app: App) -> None:
    process = long_app.start(DURATION, "--batch-size", "10")
    seen = until_record(process, 57)
    process.kill()
    result = ended(process, seen)
    assert result.code == -signal.SIGKILL
    reported = sum(line.startswith("[") for line in result.lines)
    filled = sum(record.duration is not None for record in long_app.records().values())
    assert reported - 10 <= filled <= reported + 10


def test_a_reader_that_goes_away_does_not_end_the_work(long_app: App) -> None:
    process = long_app.start(DURATION, "--limit", "60")
    until_record(process, 1)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert sum(record.duration is not None for record in long_app.records().values()) == 60
