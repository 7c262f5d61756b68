"""Secrets taken out of a stream, however it is cut, and out of the logs of a run."""

import json
import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run.conftest import Runs
from tools import wait_until

from corpus_backfill_plugin.agent.finish import read_verdict
from corpus_backfill_plugin.agent.folder import RunFolder
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.records import Failure, Invocation, Outcome, Output
from corpus_backfill_plugin.agent.redact import Masker, Secret

SECRET = "hunter2-s3cret"  # noqa: S105  a test's own


def masked(pieces: list[bytes], *secrets: str) -> bytes:
    masker = Masker([Secret(value=s) for s in secrets])
    return b"".join([*map(masker.feed, pieces), masker.flush()])


@given(
    st.lists(st.sampled_from([b"a", b"b", b"ab", b"aab", b"\n"]), max_size=12),
    st.sampled_from(["aab", "abab", "ba"]),
)
def test_one_secret_is_masked_as_a_plain_replacement_does_it(pieces: list[bytes], secret: str) -> None:
    assert masked(pieces, secret) == b"".join(pieces).replace(secret.encode(), b"***")


@given(
    st.lists(st.binary(max_size=3).map(lambda b: bytes(97 + c % 3 for c in b)), max_size=12),
    st.sets(st.text("abc", min_size=2, max_size=4), min_size=1, max_size=3),
)
def test_no_secret_of_several_is_left_whole(pieces: list[bytes], secrets: set[str]) -> None:
    left = masked(pieces, *secrets).split(b"***")
    assert not [s for s in secrets for part in left if s.encode() in part]


def test_cutting_the_stream_changes_nothing() -> None:
    text = b"x" + SECRET.encode() + b"y" + SECRET[:5].encode() + b"\n"
    whole = masked([text], SECRET)
    assert whole == b"x***y" + SECRET[:5].encode() + b"\n"
    for cut in range(len(text)):
        assert masked([text[:cut], text[cut:]], SECRET) == whole


def test_only_what_could_become_a_secret_waits() -> None:
    masker = Masker([Secret(value=SECRET)])
    assert masker.feed(b"a line\n") == b"a line\n"
    assert masker.feed(b"prompt hun") == b"prompt "
    assert masker.feed(b"gry\n") == b"hungry\n"
    assert not masker.found


@pytest.mark.parametrize("pieces", [[b"postgres://u:pw12@h"], [b"postgres://u:pw", b"12@h"]])
def test_a_longer_secret_goes_before_one_inside_it(pieces: list[bytes]) -> None:
    assert masked(pieces, "pw12", "postgres://u:pw12@h") == b"***"
    assert masked(pieces, "") == b"".join(pieces)


PRINTS = """
    import os, sys, time
    secret = os.environ["SECRET_0"]
    sys.stdout.write(f"the secret is {secret[:4]}"); sys.stdout.flush(); time.sleep(0.3)
    print(f"{secret[4:]}, yes", flush=True); print(secret, file=sys.stderr, flush=True)
    if sys.argv[1] == "wait":
        gate()
"""


def test_a_printed_secret_is_masked_where_it_is_shown_and_in_the_log(runs: Runs) -> None:
    ended = runs.run("--secret", SECRET, runs.script(PRINTS), "0")
    assert ended.out == runs.log() == b"the secret is ***, yes\n"
    assert (ended.err.splitlines()[0], ended.err.count(b"printed a secret")) == (b"***", 1)
    assert (runs.log("stderr"), runs.record().masked) == (b"***\n", True)
    for name in ("stdout", "stderr"):
        assert (runs.state.run_folder(1) / f"{name}.log").stat().st_mode & 0o777 == 0o600


def test_a_detached_run_is_masked_at_its_end(runs: Runs) -> None:
    runs.detach("--secret", SECRET, runs.script(PRINTS), "0")
    assert runs.wait_for_end().masked is True
    assert runs.log() == b"the secret is ***, yes\n"


def test_another_terminal_that_attaches_does_not_see_it_either(runs: Runs) -> None:
    runs.detach("--secret", SECRET, runs.script(PRINTS), "wait", until=b"yes")
    assert b"logs searched for secrets\tnot yet" in runs.command("show").out
    assert json.loads(runs.command("show", "--json").out)["masked"] is None
    process = runs.watch("attach")
    assert b"Attached" in runs.first_error(process)
    runs.gate.touch()
    out, err = process.communicate(timeout=30)
    assert out == b"the secret is ***, yes\n"
    assert SECRET.encode() not in err


def test_the_value_is_in_no_file_of_the_state_folder_and_in_no_argument_list(runs: Runs) -> None:
    script = runs.script("print(1, flush=True); input(); gate()")
    runs.detach("--secret", SECRET, "--stdin", SECRET, script, until=b"1")
    for pid in (runs.process().pid, runs.process().supervisor):
        assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    runs.gate.touch()
    runs.wait_for_end()
    files = [path for path in runs.state.root.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_logs_that_could_not_be_searched_are_said_to_be_so(runs: Runs) -> None:
    process = runs.spawn("--secret", SECRET, runs.script(PRINTS), "wait", until=b"yes")
    facts = runs.process()
    for pid in (process.pid, facts.supervisor, facts.pid):
        os.kill(pid, 9)
    shown = runs.command("show")
    assert b"logs searched for secrets\tno" in shown.out
    assert runs.record().masked is None


MANY = """
    import os, sys
    word = os.environ["SECRET_0"] if sys.argv[1] == "yes" else "x" * 14
    line = f"connecting with {word} to the database, and some more text to fill the line up\\n"
    for _ in range(50_000_000 // len(line)):
        sys.stdout.write(line)
"""


@pytest.mark.quiet  # compares times
def test_fifty_megabytes_of_secrets_take_less_than_twice_the_time(runs: Runs) -> None:
    """For each match the whole chunk was searched: ten times as long, and more in larger chunks."""
    script, took = runs.script(MANY), {"no": [9e9], "yes": [9e9]}
    for word in ("no", "yes") * 3:
        began = time.monotonic()
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
            ended = runs.run("--buffered", "--secret", SECRET, script, word, stdout=nowhere, timeout=120)
        took[word].append(time.monotonic() - began)
        assert (b"printed a secret" in ended.err) == (word == "yes")
    assert min(took["yes"]) < 2 * min(took["no"]), took


def test_failures_counted_in_a_masked_log_prove_nothing(runs: Runs) -> None:
    """Its finisher is killed when it has masked the log, in which no line of a failure is left."""
    script = runs.script("import sys; print('FAILED a1\\nFAILED a2', flush=True)")
    deadly = ["--supervisor", str(Path(__file__).with_name("deadly.py"))]
    died = runs.folder / "died"
    point = {"DEADLY_POINT": "finisher:agent.finish:verify:before", "DEADLY_TRACE": str(died)}
    words = ["--detach", "--secret", "FAILED", "--max-failed", "0", *deadly, script]
    assert runs.run(*words, env=os.environ | point).code == 0
    wait_until(died.exists)
    runs.command("list")
    record = runs.wait_for_end()
    assert runs.log() == b"*** a1\n*** a2\n"
    assert (record.state, record.proof) == ("unverified", "unknown")
    assert record.reason.startswith("its finisher was killed when it had masked the log")


def test_items_that_were_read_before_masking_are_recorded_masked(tmp_path: Path) -> None:
    """A viewer that finds another's verdict has the items from its own reading, secrets and all."""
    folder = RunFolder(tmp_path / "run", "token")
    os.close(folder.make())
    folder.keep_verdict(Outcome(state="failed", ended=1.0, masked=True, failures=1))
    job = Invocation(
        program=(), script="", arguments=(), folder="/", environ={}, secrets=(Secret(value=SECRET),)
    )
    request = Mock(invocation=job)
    seen = OutputReader(Output(failed="FAILED {item}: {reason}"))
    seen.feed("stdout", f"FAILED a-{SECRET}: no {SECRET}\n".encode(), 0.0)
    found = read_verdict(folder, request, seen)
    assert found is not None
    assert found.failed == (Failure("a-***", "no ***", masked=True),)
