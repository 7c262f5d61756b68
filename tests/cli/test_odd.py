"""What a person can cause is reported in a line by the real program: no traceback, no hang."""

import os
import shlex
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conftest import PROGRAM, Cli, Server
from tools import Outcome, cases, ended

HUGE = str(10**22)
RUN = ("version-0", "--no-verify")


@pytest.fixture(autouse=True)
def _named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(server.folder))
    monkeypatch.setenv("CORPUS_BACKFILL_PYTHON", sys.executable)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The operator's configuration, not made yet."""
    path = tmp_path / "home/.config/corpus-backfill/config.toml"
    path.parent.mkdir(parents=True)
    return path


def shell(line: str) -> Outcome:
    """Run a line of shell in which `backfill` is the program."""
    program = f'backfill() {{ {shlex.join(PROGRAM)} "$@"; }}'
    outcome = ended(["bash", "-c", f"{program}; {line}"], env=os.environ, timeout=60)
    assert "Traceback" not in outcome.stderr
    return outcome


def diagnosed(cli: Cli) -> list[str]:
    """Return the errors that doctor finds."""
    found = cli("doctor", "--json").told
    return [f"{each['area']}: {each['text']}" for each in found if each["state"] == "error"]


def assert_said(outcome: Outcome, code: int, said: str) -> None:
    assert (outcome.code, said in outcome.stderr) == (code, True), outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("words", "env", "code", "said"),
    cases(
        """
        a server app of nobody     | --server-path ~nosuchuser/x version-0 --no-verify | | 1 | no home folder
        an interpreter of nobody   | version-0 --no-verify --python ~nosuchuser/x | | 1 | no home folder
        a state folder of nobody   | runs       | CORPUS_BACKFILL_STATE=~nosuchuser/x | 1 | no home folder
        specs of nobody            | specs list | CORPUS_BACKFILL_SPECS=~nosuchuser/x | 0 | no home folder
        show of a huge number      | runs show HUGE                   | | 1 | there is no run HUGE
        logs of a huge number      | runs logs HUGE                   | | 1 | there is no run HUGE
        attach of a huge number    | runs attach HUGE                 | | 1 | there is no run HUGE
        stop of a huge number      | runs stop HUGE                   | | 1 | there is no run HUGE
        rerun of a huge number     | runs rerun HUGE                  | | 1 | there is no run HUGE
        retry of a huge number     | runs retry HUGE                  | | 1 | there is no run HUGE
        a run below nothing        | runs show -- -1                  | | 2 | -1 is not in the range
        digits without end         | runs show DIGITS                 | | 2 | is not a valid integer
        a huge limit               | runs --limit HUGE                | | 0 |
        a huge keep                | runs prune --older-than 1d --keep HUGE | | 0 | Forgot 0
        nan seconds                | runs stop --after nan            | | 2 | no number of seconds
        endless seconds            | runs stop --after 1e400          | | 2 | no number of seconds
        a command that is no text  | runs --command NONE              | | 0 |
        a URL that is no text      | version-0 | DATABASE_URL=x://NONE         | 2 | DATABASE_URL is not UTF-8
        a state that is no text    | version-0 | CORPUS_BACKFILL_STATE=/a/NONE | 1 | is not UTF-8
        a value that is no text    | fill --note NONE                 | | 2 | is not UTF-8 text
        a flag without end         | fill                 | MUCH=999999999 | 2 | 1000 times at most
        """
    ),
)
def test_odd_values_are_told(cli: Cli, server: Server, *, words: str, env: str, code: int, said: str) -> None:
    options = '[[option]]\nname = "note"\n[[option]]\nname = "much"\ntype = "count"\nenvvar = "MUCH"\n'
    server.spec("fill", f'script = "file_hashing.py"\n{options}')
    known = {"HUGE": HUGE, "DIGITS": "9" * 5000, "NONE": "\udcff"}
    for name, value in known.items():
        words, env, said = (text.replace(name, value) for text in (words, env, said))
    name, _, value = env.partition("=")
    assert_said(cli(*words.split(), env={name: value} if name else {}), code, said)


def test_a_folder_that_is_gone_stops_only_what_needs_it(tmp_path: Path) -> None:
    gone = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; "
    assert shell(gone + "backfill version-0 --no-verify").code == 0
    for line in ("backfill --server-path . version-0", "CORPUS_BACKFILL_STATE=here backfill runs"):
        assert_said(shell(gone + line), 1, "the current folder is gone")


@pytest.mark.parametrize("number", [8, 12, 16])
def test_few_open_files_are_told_or_are_enough(number: int) -> None:
    for line in ("backfill version-0 --no-verify", "backfill runs", "backfill doctor"):
        outcome = shell(f"ulimit -n {number}; {line}")
        assert outcome.code == 0 or "Too many open files" in outcome.stderr
        assert "Make room there" not in outcome.stderr, "there is room enough"
    assert shell("backfill runs --state running").stdout == ""


def test_a_user_without_a_home_needs_a_state_folder_and_no_more(tmp_path: Path) -> None:
    """The account has no passwd entry, as in a container that runs under any number."""
    nobody = "import pwd\ndef none(_): raise KeyError\npwd.getpwuid = pwd.getpwnam = none\n"
    program = f"{nobody}from corpus_backfill_plugin.__main__ import main\nmain()"
    environ = {name: value for name, value in os.environ.items() if name != "HOME"}

    def call(*words: str) -> Outcome:
        return ended([sys.executable, "-c", program, *words], env=environ, cwd=tmp_path)

    for words in (RUN, ("doctor",), ("specs", "list"), ("status",), ("runs",)):
        assert call(*words).code == 0, words
    del environ["CORPUS_BACKFILL_STATE"]
    for words in (RUN, ("runs",)):
        for said in ("this user has no home folder", "CORPUS_BACKFILL_STATE"):
            assert_said(call(*words), 1, said)
    assert not (tmp_path / "~").exists()
    assert call(*RUN, "--no-record").code == 0


CONFIGURATIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "can't be read: not a plain file"),
    "a device": (lambda p: p.symlink_to("/dev/zero"), "can't be read: not a plain file"),
    "a folder": (Path.mkdir, "can't be read: Is a directory"),
    "nested": (lambda p: p.write_text("a = " + "[" * 500 + "]" * 500), "nested too deeply"),
    "a long key": (lambda p: p.write_text("a" + ".a" * 20_000 + " = 1"), "too many parts"),
    "many digits": (lambda p: p.write_text("a = " + "9" * 5000), "too many digits"),
    "large": (lambda p: p.write_bytes(b"a" * (1 << 21)), "bytes, "),
    "no text": (lambda p: p.write_bytes(b"\xff"), "is not UTF-8"),
    "a time without end": (lambda p: p.write_text('on-end-timeout = "110000d"'), "too long a duration"),
}


@pytest.mark.parametrize(("make", "said"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_that_is_none_stops_a_run_and_doctor_finds_it(
    cli: Cli, config: Path, make: Callable[[Path], object], said: str
) -> None:
    make(config)
    assert_said(cli(*RUN), 1, said)
    assert cli("runs").code == 0
    assert [text for text in diagnosed(cli) if said in text]


def test_doctor_finds_a_program_for_the_end_that_is_not_there(cli: Cli, config: Path) -> None:
    for program in ("./no", "no-such", "~nosuchuser/x", sys.executable):
        config.write_text(f'on-end = ["{program}"]')
        found = any(f"on-end program {program} is not there" in text for text in diagnosed(cli))
        assert found is (program != sys.executable)


@pytest.mark.parametrize(
    "damage",
    [
        "options = '{'", "view = '[[['", "state = 'odd'", "started = 1e300", "arguments = '3'",
        "took = 9e999",
    ],
)  # fmt: skip
def test_a_damaged_row_costs_its_own_run(cli: Cli, tmp_path: Path, damage: str) -> None:
    for _ in range(3):
        assert cli(*RUN).code == 0
    with closing(sqlite3.connect(tmp_path / "state/ledger.sqlite3")) as db, db:
        db.execute(f"UPDATE runs SET {damage} WHERE number = 2")  # noqa: S608 - of this test
    listed = cli("runs")
    assert [row[0] for row in listed.rows] == ["3", "1"]
    assert "Warning: run 2 is left out, as its row is damaged" in listed.stderr
    assert_said(cli("runs", "show", "2"), 1, "The row of run 2 in the ledger")
    assert [text for text in diagnosed(cli) if text.startswith("ledger: The row of run 2")]
    for words in (("runs", "show"), ("status",), RUN):
        assert cli(*words).code == 0


@pytest.mark.parametrize("damage", ["no database", "a folder", "a pipe", "no table"])
def test_a_damaged_ledger_is_told_and_doctor_finds_it(cli: Cli, tmp_path: Path, damage: str) -> None:
    assert cli(*RUN).code == 0
    ledger = tmp_path / "state/ledger.sqlite3"
    if damage == "no table":
        with closing(sqlite3.connect(ledger)) as db:
            db.execute("DROP TABLE runs")
    else:
        for path in ledger.parent.glob("ledger*"):
            path.unlink()
        make: dict[str, Callable[[Path], object]] = {
            "a folder": Path.mkdir, "a pipe": os.mkfifo, "no database": lambda p: p.write_text("x" * 999)
        }  # fmt: skip
        make[damage](ledger)
    for words in (RUN, ("runs",), ("runs", "show", "1"), ("runs", "rerun")):
        assert_said(cli(*words), 1, "The ledger")
    assert [text for text in diagnosed(cli) if text.startswith("ledger: The ledger")]
    assert cli(*RUN, "--no-record").code == 0


def test_doctor_finds_a_disk_that_takes_nothing(cli: Cli, tmp_path: Path) -> None:
    assert cli(*RUN).code == 0
    locks = tmp_path / "state/locks"
    locks.rename(tmp_path / "locks")
    locks.symlink_to("/proc/self/fdinfo")  # nobody can make a file there, not even root
    assert [text for text in diagnosed(cli) if text.startswith(("disk: ", "state: "))]


def test_a_spec_of_twenty_thousand_options_is_refused_and_says_so(cli: Cli, server: Server) -> None:
    many = "".join(f'[[option]]\nname = "o{n}"\n' for n in range(20_000))
    server.spec("many", f'script = "file_hashing.py"\n{many}')
    said = "a list of 20000 items, 500 at most"
    assert said in cli("many").stderr
    assert said in cli("specs", "check", "many").stdout
    assert cli(*RUN).code == 0


@pytest.mark.parametrize("words", ["specs new", "specs new --run", "runs apply"])
def test_no_command_waits_for_a_pipe_or_reads_a_device(cli: Cli, tmp_path: Path, words: str) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    for path in (str(tmp_path / "pipe.py"), "/dev/zero"):
        assert_said(cli(*words.split(), path), 1, "read: not a plain file")


def test_a_script_that_is_a_pipe_is_not_waited_for(cli: Cli, server: Server) -> None:
    (server.scripts / "backfill_version_0.py").unlink()
    os.mkfifo(server.scripts / "backfill_version_0.py")
    assert "not a file" in cli(*RUN).stderr
    assert "cannot be read: not a plain file" in cli("specs", "check", "version-0").stdout


def test_pipes_in_the_place_of_a_run_and_of_its_files_are_not_waited_for(cli: Cli, tmp_path: Path) -> None:
    for _ in range(2):
        assert cli(*RUN).code == 0
    for name in ("stdout.log", "run.json", "stop"):
        path = tmp_path / "state/runs/2" / name
        path.unlink()
        os.mkfifo(path)
    assert_said(cli("runs", "logs"), 1, "can't be read: no regular file")
    for words in (("runs",), ("runs", "show"), ("status",), RUN):
        assert cli(*words).code == 0
    folder = tmp_path / "state/runs/1"
    folder.rename(tmp_path / "taken")
    os.mkfifo(folder)
    assert "Forgot 3 runs." in cli("runs", "prune", "--older-than", "0s").stderr
    assert list(folder.parent.iterdir()) == []
