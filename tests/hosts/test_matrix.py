"""One plugin in every kind of host: the same words get the same answers as under plain Click.

`noxfile.py` runs this in environments of many versions; here it runs in the one at hand.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from hosts.answers import assert_same, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hosts.conftest import Launch, Outcome, Start

REFERENCE = "click_host"
HOSTS = ("rich_click_host", "cloup_host", "typer_added_host", "typer_lazy_host")


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


# A slice is tried here: every other case in the host that differs most from click, a few in the rest. All of
# them are tried by `nox -s hosts`.
WHOLE = os.environ.get("HOSTS_MATRIX") == "whole"
LAZY = "typer_lazy_host"
PAIRS = [
    pytest.param(host, case, id=f"{host}-{case}")
    for host in HOSTS
    for number, (case, given) in enumerate(CASES.items())
    if WHOLE or given.everywhere or (host == LAZY and number % 2)
]
TRIED = list(dict.fromkeys(str(pair.values[1]) for pair in PAIRS))
ENDINGS = [REFERENCE, *HOSTS] if WHOLE else [REFERENCE, LAZY]


@pytest.fixture(scope="module")
def references() -> dict[str, Outcome]:
    """What the reference answered in this process, by case."""
    return {}


@pytest.mark.parametrize("case", TRIED)
def test_the_reference_answers_as_expected(launch: Launch, references: dict[str, Outcome], case: str) -> None:
    expected = CASES[case]
    found = reference(launch, references, case)
    assert found.code in ((0, 2) if expected.code is None else (expected.code,))
    assert plain(expected.says) in plain(found.out + found.err)
    assert "Traceback" not in found.err


@pytest.mark.parametrize(("host", "case"), PAIRS)
def test_a_host_answers_as_click_does(
    launch: Launch, references: dict[str, Outcome], host: str, case: str
) -> None:
    expected = reference(launch, references, case)
    found = launch(host, *CASES[case].words.split(), stdin=CASES[case].stdin, **CASES[case].environ)
    assert_same(found, expected, framed="HOST_MODE" in CASES[case].environ)


@pytest.mark.parametrize("host", ENDINGS)
@pytest.mark.parametrize("words", ["--help", ""], ids=["help", "no arguments"])
def test_the_host_itself_is_well(launch: Launch, host: str, words: str) -> None:
    found = launch(host, *words.split())
    assert found.code in (0, 2)
    assert "Traceback" not in found.err
    if words or host in HOSTS[:2]:
        assert "Try what a host does to its plugins" in plain(found.out + found.err)


@pytest.mark.parametrize("host", ENDINGS)
def test_ctrl_c_ends_as_it_does_for_the_hosts_own_commands(start: Start, host: str) -> None:
    with start(host, "probe", "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    # Typer's own code since 0.15, and click's.
    assert process.returncode in ((1, 130) if host.startswith("typer") else (1,))
    assert "Traceback" not in err
    assert not out


@pytest.mark.parametrize("host", ENDINGS)
def test_a_closed_stdout_ends_quietly(start: Start, host: str) -> None:
    with start(host, "probe", "flood") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "line 0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("host", ENDINGS)
def test_an_unexpected_exception_is_left_to_the_host(launch: Launch, host: str) -> None:
    found = launch(host, "probe", "crash")
    assert found.code == 1
    assert "RuntimeError: nobody expected this" in found.err


def reference(launch: Launch, references: dict[str, Outcome], case: str) -> Outcome:
    if case not in references:
        given = CASES[case]
        references[case] = launch(REFERENCE, *given.words.split(), stdin=given.stdin, **given.environ)
    return references[case]
