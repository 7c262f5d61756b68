"""One plugin in every kind of host: the same words get the same answers as under plain Click.

`noxfile.py` runs this in environments of many versions; here it runs in the one at hand.
"""

import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import Server
from tools import Outcome, ended, wait_until

from hosts.conftest import HOSTS, LAZY, REFERENCE, WHOLE, Launch, assert_same, plain


@dataclass(frozen=True)
class Case:
    """What is typed, and what must come of it in the reference; the other hosts must equal that."""

    words: str
    code: int | None = 0
    """None: click's own, which changed from 0 to 2 in 8.2 for help that nobody asked for."""
    says: str = ""
    stdin: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    everywhere: bool = False
    """Tried in every host even when only a slice of the matrix is run."""


CASES = {
    "group help": Case("probe --help", says="Try what a host does to its plugins."),
    "command help": Case("probe values --help", says="--media-type [audio|video]"),
    "nested group help": Case("probe things --help", says="Look at things."),
    "nested command help": Case(
        "probe things show --help", says="Usage: host probe things show [OPTIONS] NAME"
    ),
    "help after other options": Case("probe --level low values --help", says="Print the values given"),
    "group without a command": Case(
        "probe", None, says="Usage: host probe [OPTIONS] COMMAND [ARGS]...", everywhere=True
    ),
    "nested group without a command": Case("probe things", None, says="Usage: host probe things"),
    "options of the group alone": Case("probe --level low", 2, says="Missing command."),
    "values": Case(
        "probe values --workers 5 a b", says='"words": ["a", "b"], "workers": 5}', everywhere=True
    ),
    "values after --": Case("probe values -- --workers -x", says='"words": ["--workers", "-x"]'),
    "empty value": Case("probe values --file=", says='"file": ""'),
    "nested command": Case("probe things list --kind round", says="things of kind round"),
    "unknown command": Case("probe valeus", 2, says="No such command 'valeus'."),
    "unknown nested command": Case("probe things lits", 2, says="No such command 'lits'."),
    "unknown option": Case("probe values --wrokers 3", 2, says="No such option"),
    "unknown option of the group": Case("probe --nevel low values", 2, says="No such option"),
    "bad choice": Case(
        "probe values --media-type text", 2, says="'text' is not one of 'audio', 'video'", everywhere=True
    ),
    "bad choice of the group": Case("probe --level no values", 2, says="'no' is not one of 'low', 'high'"),
    "bad int": Case("probe values --workers many", 2, says="'many' is not a valid integer"),
    "extra argument": Case("probe things show a b", 2, says="Got unexpected extra argument (b)"),
    "missing argument": Case("probe things show", 2, says="Missing argument 'NAME'."),
    "missing value": Case("probe values --workers", 2, says="Option '--workers' requires an argument."),
    "exit 0": Case("probe leave 0", 0),
    "exit 1": Case("probe leave 1", 1),
    "exit 2": Case("probe leave 2", 2),
    "exit 4": Case("probe leave 4", 4),
    "exit 137": Case("probe leave 137", 137),
    "usage error from inside": Case("probe usage", 2, says="these two do not go together", everywhere=True),
    "error from inside": Case("probe fail", 1, says="set CORPUS_SERVER_APP_PATH"),
    "abort": Case("probe abort", 1, says="Aborted", everywhere=True),
    "end of input at a prompt": Case("probe ask", 1, says="Aborted"),
    "answered prompt": Case("probe ask", says="hello Ada", stdin="Ada\n"),
    "declined question": Case("probe sure", 1, says="Aborted", stdin="n\n"),
    "deprecated command": Case("probe old", says="done as before"),
    "hidden command": Case("probe secret"),
    "objects of the host": Case(
        "probe seen", says='{"obj": {"from": "the host"}, "meta": {"host.note"', everywhere=True
    ),
    "close callback": Case("probe seen", says="closed"),
    "default_map of the host": Case("probe values", says='"media_type": "DEFAULT_MAP"'),
    "auto_envvar_prefix of the host": Case(
        "probe values", says='"workers": "ENVIRONMENT"', environ={"HOST_PROBE_VALUES_WORKERS": "9"}
    ),
    "embedded, value returned": Case("probe values", says="'a value'", environ={"HOST_MODE": "embedded"}),
    "embedded, code returned": Case("probe leave 4", says="returned 4", environ={"HOST_MODE": "embedded"}),
    "the host's test runner, exit code": Case(
        "probe leave 4", says="exit_code 4", environ={"HOST_MODE": "runner"}
    ),
    "the host's test runner, error": Case("probe fail", says="exit_code 1", environ={"HOST_MODE": "runner"}),
}


# Without WHOLE every other case in the host that differs most from click, and a few in the rest.
PAIRS = [
    pytest.param(host, case, id=f"{host}-{case}")
    for host in HOSTS
    for number, (case, given) in enumerate(CASES.items())
    if WHOLE or given.everywhere or (host == LAZY and number % 2)
]
TRIED = list(dict.fromkeys(str(pair.values[1]) for pair in PAIRS))
ENDINGS = [REFERENCE, *HOSTS] if WHOLE else [REFERENCE, LAZY]


@pytest.fixture(scope="module")
def reference(launch: Launch) -> Callable[[str], Outcome]:
    """Return what the reference answers to a case, asked once."""
    answers: dict[str, Outcome] = {}

    def ask(case: str) -> Outcome:
        if case not in answers:
            given = CASES[case]
            answers[case] = launch(REFERENCE, *given.words.split(), stdin=given.stdin, **given.environ)
        return answers[case]

    return ask


@pytest.mark.parametrize("case", TRIED)
def test_the_reference_answers_as_expected(reference: Callable[[str], Outcome], case: str) -> None:
    found, expected = reference(case), CASES[case]
    assert found.code in ((0, 2) if expected.code is None else (expected.code,))
    assert plain(expected.says) in plain(found.stdout + found.stderr)
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(("host", "case"), PAIRS)
def test_a_host_answers_as_click_does(
    launch: Launch, reference: Callable[[str], Outcome], host: str, case: str
) -> None:
    given = CASES[case]
    found = launch(host, *given.words.split(), stdin=given.stdin, **given.environ)
    assert_same(found, reference(case), framed="HOST_MODE" in given.environ)


@pytest.mark.parametrize("host", ENDINGS)
@pytest.mark.parametrize("words", ["--help", ""], ids=["help", "no arguments"])
def test_the_host_itself_is_well(launch: Launch, host: str, words: str) -> None:
    found = launch(host, *words.split())
    assert found.code in (0, 2)
    assert "Traceback" not in found.stderr
    if words or host in HOSTS[:2]:
        assert "Try what a host does to its plugins" in plain(found.stdout + found.stderr)


@pytest.mark.parametrize("host", ENDINGS)
def test_ctrl_c_ends_as_it_does_for_the_hosts_own_commands(launch: Launch, host: str) -> None:
    with launch.start(host, "probe", "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    # Typer's own code since 0.15, and click's.
    assert process.returncode in ((1, 130) if host.startswith("typer") else (1,))
    assert "Traceback" not in err
    assert not out


@pytest.mark.parametrize("host", ENDINGS)
def test_a_closed_stdout_ends_quietly(launch: Launch, host: str) -> None:
    with launch.start(host, "probe", "flood") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "line 0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("host", ENDINGS)
def test_an_unexpected_exception_is_left_to_the_host(launch: Launch, host: str) -> None:
    found = launch(host, "probe", "crash")
    assert (found.code, "RuntimeError: nobody expected this" in found.stderr) == (1, True)


# The real group.

SCRIPT = """\
import os, sys, time
print("called with", sys.argv[1:], flush=True)
match os.environ["END"]:
    case "killed":
        os.kill(os.getpid(), 9)
    case "wait":
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(130)
    case code:
        sys.exit(int(code))
"""

# What is typed, the exit code, what is said.
BACKFILL = {
    "group help": ("--help", 0, "Fill in missing media durations"),
    "command help": ("duration --help", 0, "[audio|video|both]"),
    "nested help": ("runs --help", 0, "host backfill runs"),
    "unknown command": ("duraton", 2, "Did you mean 'duration'"),
    "unknown option": ("duration --wrokers 3", 2, "No such option"),
    "bad choice": ("duration --media-type text", 2, "text"),
    "bad int": ("duration --workers many", 2, "many"),
    "no server": ("--server-path nowhere duration", 1, "nowhere"),
    "show the command": ("snr --media-type video --show-command", 0, "snr_frequency.py"),
    "script exits 0": ("duration", 0, "called with"),
    "script exits 1": ("duration", 1, "called with"),
    "script exits 2": ("duration", 2, "called with"),
    "script exits 4": ("duration --limit 3", 4, "'--limit', '3'"),
    "script is killed": ("duration", 137, "called with"),
}
SLICE = ("command help", "unknown command", "bad choice", "no server", "script exits 4", "script is killed")


@pytest.fixture
def setting(make_server: Callable[[str], Server], tmp_path: Path) -> dict[str, str]:
    """Variables by which a host has the real group, and that a server app."""
    server = make_server("corpus-server-app")
    server.script("media_duration.py", SCRIPT)
    return {
        "HOST_GROUP": "hosts.backfill",
        "CORPUS_BACKFILL_STATE": str(tmp_path / "state"),
        "CORPUS_BACKFILL_PYTHON": sys.executable,
        "CORPUS_SERVER_APP_PATH": str(server.folder),
    }


@pytest.mark.parametrize("case", BACKFILL if WHOLE else SLICE)
@pytest.mark.parametrize("host", HOSTS if WHOLE else [LAZY])
def test_backfill_answers_as_under_click(
    launch: Launch, setting: dict[str, str], host: str, case: str
) -> None:
    words, code, says = BACKFILL[case]

    def ask(host: str) -> Outcome:
        state = setting["CORPUS_BACKFILL_STATE"] + host  # so that each run is the first
        environ = setting | {"CORPUS_BACKFILL_STATE": state, "END": "killed" if code == 137 else str(code)}
        return launch(host, "backfill", *words.split(), **environ)

    expected = ask(REFERENCE)
    assert expected.code == code
    assert plain(says) in plain(expected.stdout + expected.stderr)
    assert_same(ask(host), expected)


@pytest.mark.parametrize("host", ENDINGS)
def test_ctrl_c_reaches_the_script_and_its_code_comes_back(
    launch: Launch, setting: dict[str, str], host: str
) -> None:
    with launch.start(host, "backfill", "duration", **setting, END="wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("called with")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out == "interrupted\n"
    assert "Traceback" not in err
    assert process.returncode == 130


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("host", ENDINGS)
def test_closed_streams_change_no_exit_code_and_reach_no_file(
    launch: Launch, setting: dict[str, str], tmp_path: Path, host: str, closed: str
) -> None:
    """The system gives a closed stream's number to the next file: the ledger, a lock, a log."""
    environ = {**launch.environ, **setting, "END": "4"}
    for words, code in {"duration": 4, "duration --detach": 0, "runs list": 0, "duration --no": 2}.items():
        program = launch.command(host, "backfill", *words.split())
        done = ended(["sh", "-c", f'exec "$@" {closed}', "sh", *program], env=environ)
        assert (done.code, "Traceback" in done.stderr) == (code, False), (words, done.stderr)
        assert bool(done.stdout) == (code != 2 and ">&-" not in closed.split()), words
    for number in ("1", "2"):
        log = tmp_path / "state/runs" / number / "stdout.log"
        wait_until(lambda: log.read_text().startswith("called with"))  # noqa: B023  waited for here
        assert len(log.read_text().splitlines()) == 1
    with closing(sqlite3.connect(tmp_path / "state/ledger.sqlite3")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        row = ledger.execute("SELECT state, exit_code FROM runs WHERE number = 1").fetchone()
        assert row == ("failed", 4)
