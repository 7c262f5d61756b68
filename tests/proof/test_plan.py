"""Plans: what one person previewed, another runs exactly so, or is told each difference."""

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from conftest import Cli, Outcome, Program, Server

from corpus_backfill_plugin.agent import lock
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.records import Invocation, RunRequest
from corpus_backfill_plugin.agent.state import open_state
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.agent.verify import Counted
from corpus_backfill_plugin.command import ScriptCommand, checked_selection, command_for
from corpus_backfill_plugin.commands.replay import apply, check_tolerance, replay_plan
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.plans import (
    Plan,
    both,
    checksummed,
    differences,
    make_plan,
    read_plan,
    write_plan,
)
from corpus_backfill_plugin.specs.catalog import LoadedSpec
from corpus_backfill_plugin.specs.model import Script
from corpus_backfill_plugin.specs.selection import Selection
from corpus_backfill_plugin.workspace import Site
from proof.conftest import Store

PASSWORD = "hunter2-hunter2"  # noqa: S105 - nobody's


@dataclass(frozen=True)
class Planner:
    """Makes plans in this process, as `NAME ... --plan FILE` does, and applies them."""

    file: Path
    server: Server
    store: Store
    backfill: Program

    def make(self, *words: str, name: str = "duration", **more: Any) -> int:  # noqa: ANN401 - make_plan's own
        """Plan a command with `words`, and return the exit code."""
        site = Site(dict(os.environ))
        spec = site.catalog.load(name)
        assert isinstance(spec, LoadedSpec)
        command = command_for(spec)
        assert isinstance(command, ScriptCommand)
        with command.make_context(name, list(words)) as ctx:
            chosen = checked_selection(ctx, command.script)
        return make_plan(spec, chosen, site, self.file, **more)

    def refuse_to_make(self, reason: str, *words: str) -> None:
        """Assert that no plan can be made for this reason."""
        with pytest.raises(BackfillError, match=reason):
            self.make(*words)
        assert not self.file.exists()

    def apply(self, *words: str) -> Outcome:
        """Call `backfill runs apply` with the answer given beforehand."""
        return self.backfill("runs", "apply", str(self.file), "--yes", *words)

    def refuse(self, *phrases: str, words: tuple[str, ...] = (), pending: int = 12) -> None:
        """Assert that the plan is refused for these differences and no other, and nothing is done."""
        refused(self.apply(*words), *phrases)
        assert self.store.pending == pending

    def fail(self, reason: str, *words: str) -> None:
        """Assert that applying ends with an error for this reason, and nothing is done."""
        failed(self.apply(*words), reason)
        assert self.store.pending == 12

    @property
    def content(self) -> dict[str, Any]:
        """What the file holds."""
        content: dict[str, Any] = json.loads(self.file.read_bytes())
        return content

    def edit(self, **changes: object) -> None:
        """Change the file as an editor would."""
        self.file.write_text(json.dumps(self.content | changes), encoding="utf-8")

    def forge(self, **changes: object) -> None:
        """Change the file as a program does that puts the right sha256 in."""
        plan = checksummed(msgspec.convert(self.content | changes, Plan))
        self.file.write_bytes(msgspec.json.encode(plan))

    def read(self) -> Plan:
        """Read the plan as it is applied."""
        return read_plan(self.file, Path(os.environ["CORPUS_BACKFILL_STATE"]))[0]

    def forget(self) -> None:
        """Make this machine one on which the plan was not made."""
        (Path(os.environ["CORPUS_BACKFILL_STATE"]) / "plans" / self.content["id"]).unlink()

    @property
    def spec(self) -> str:
        """The text of the command's spec, without its first line."""
        return (self.server.scripts / "duration.toml").read_text(encoding="utf-8").partition("\n")[2]


@pytest.fixture
def planner(working: Server, store: Store, backfill: Program, tmp_path: Path) -> Planner:
    """Plans into one file, for the server app that works."""
    return Planner(tmp_path / "plan.json", working, store, backfill)


@pytest.fixture
def planned(planner: Planner) -> Planner:
    """One plan, of all that is left to do."""
    assert planner.make() == 0
    return planner


@pytest.fixture
def foreign(planned: Planner) -> Planner:
    """The same, made on another machine."""
    planned.forget()
    return planned


def refused(outcome: Outcome, *phrases: str) -> None:
    """Assert that a plan was refused for these differences and no other."""
    _, _, rest = outcome.stderr.partition("Error: not run: it would not be what was planned:\n")
    named = [line.strip() for line in rest.splitlines() if line.startswith("  ")]
    assert (outcome.code, len(named)) == (1, len(phrases)), outcome.stderr
    for line, phrase in zip(named, phrases, strict=True):
        assert phrase in line


def failed(outcome: Outcome, reason: str) -> None:
    """Assert that applying ended with an error for this reason, in no form that a terminal obeys."""
    assert outcome.code == 1
    assert reason in outcome.stderr
    assert not [word for word in ("Traceback", "unexpected", "\x1b", "\x07") if word in outcome.stderr]


def commit(folder: Path, message: str) -> str:
    """Commit all that is in `folder`, a repository from then on, and return the commit."""
    settings = ("user.name=a", "user.email=a@b", "commit.gpgsign=false")
    git = ("git", "-C", str(folder), *(word for each in settings for word in ("-c", each)))
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "--allow-empty", "-m", message)):
        subprocess.run((*git, *words), check=True, capture_output=True)
    done = subprocess.run((*git, "rev-parse", "HEAD"), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def append(path: Path, text: str) -> None:
    """Make a file longer."""
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_plan_says_what_would_be_done_and_changes_nothing(planner: Planner, store: Store) -> None:
    head = commit(planner.server.folder, "first")
    assert planner.make("--media-type", "video", "--limit", "5") == 0
    plan = planner.content
    assert plan["command"] == "duration"
    assert plan["arguments"] == ["--limit", "5", "--media-type", "video"]
    assert plan["options"] == {"database-url": store.url, "limit": "5", "media-type": "video"}
    assert plan["left"] == {"pending": 12}
    assert plan["previewed"] == {"would_update": 5}
    assert (plan["server_commit"], plan["run"], plan["database"]) == (head, 1, store.url)
    assert plan["host"] == os.uname().nodename
    assert abs(datetime.now(UTC) - datetime.fromisoformat(plan["made"])) < timedelta(minutes=1)
    assert store.pending == 12
    assert store.calls == ["--media-type video --remaining", "--dry-run --limit 5 --media-type video"]


def test_the_dry_run_is_recorded_and_the_applied_run_points_to_it(planned: Planner, tmp_path: Path) -> None:
    assert planned.apply().code == 0
    with Ledger(tmp_path / "state/ledger.sqlite3") as ledger:
        runs = [(run.number, run.dry_run, run.parent) for run in ledger.select()]
    assert runs == [(2, False, 1), (1, True, None)]
    # Its work is done: the plan can be applied only once.
    phrase = "count to do: 12 pending were planned, there are 0 (tolerance 0)"
    planned.refuse(phrase, pending=0)


def test_apply_runs_exactly_the_planned_argument_list(planner: Planner, store: Store) -> None:
    assert planner.make("--dry-run", "--media-type", "audio", "--limit", "4", "--workers", "-1") == 0
    ended = planner.apply()
    assert (ended.code, ended.stdout) == (0, "updated=4 skipped=0 failed=0\n")
    assert store.calls[-1] == "--limit 4 --media-type audio --workers=-1"
    assert store.calls[-1].split() == planner.content["arguments"]
    assert store.pending == 8


def test_apply_asks_and_takes_no_for_an_answer(
    planned: Planner, store: Store, backfill: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(question: str, **_: object) -> bool:
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr(click, "confirm", answer)
    ended = backfill("runs", "apply", str(planned.file))
    assert (ended.code, store.pending) == (1, 12)
    assert "left then     12 pending" in ended.stderr
    assert "--remaining" not in store.calls[-1], "nothing runs before the answer"
    assert "would update 12" in ended.stderr
    assert backfill("runs", "apply", str(planned.file)).code == 0
    assert store.pending == 0
    assert asked == ["Run duration as planned?"] * 2


def test_without_anybody_to_answer_nothing_is_run(
    planned: Planner, backfill: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    failed(backfill("runs", "apply", str(planned.file)), "--yes")
    assert planned.store.pending == 12


def test_what_changes_while_the_question_stands_is_seen(
    planned: Planner, backfill: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ponder(text: str, **_: object) -> bool:
        append(planned.server.scripts / "media_duration.py", "#")
        return bool(text)

    monkeypatch.setattr(click, "confirm", ponder)
    refused(backfill("runs", "apply", str(planned.file)), "script: sha256 ")
    assert planned.store.pending == 12


# Each single difference.


@pytest.mark.parametrize(
    "changes",
    [
        {"media_duration.py": "script: sha256 "},
        {"duration.toml": "spec: sha256 "},
        {"media_duration.py": "script: ", "duration.toml": "spec: "},
    ],
    ids=["script", "spec", "all differences at once"],
)
def test_a_file_changed_by_one_byte_is_refused(planned: Planner, changes: dict[str, str]) -> None:
    for file in changes:
        append(planned.server.scripts / file, "\n")
    before = planned.store.calls
    planned.refuse(*changes.values())
    assert planned.store.calls == before, "a script that is not the planned one counts nothing"


@pytest.mark.parametrize("committed", [True, False], ids=["another commit", "a change in no commit"])
def test_another_state_of_the_server_app_is_refused(planner: Planner, *, committed: bool) -> None:
    folder = planner.server.folder
    first = commit(folder, "first")
    assert planner.make() == 0
    (folder / "models.py").write_text("", encoding="utf-8")
    now = commit(folder, "second")[:12] if committed else f"{first[:12]}+dirty"
    planner.refuse(f"server commit: {first[:12]} was planned, it is {now}")


def test_other_arguments_are_refused_even_with_the_right_sha256(planner: Planner) -> None:
    assert planner.make("--media-type", "video") == 0
    planner.forget()
    planner.forge(arguments=["--media-type", "audio"])
    planner.refuse("arguments: `--media-type audio` was planned, it would be `--media-type video`")


def test_another_database_is_refused(planned: Planner, store: Store, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("12", encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'other'}"
    planned.refuse(f"database: {store.url} was planned, it is {url}", words=("-d", url))
    assert (tmp_path / "other").read_text(encoding="utf-8") == "12"


def test_a_plan_that_is_too_old_is_refused(foreign: Planner) -> None:
    foreign.forge(made=(datetime.now(UTC) - timedelta(hours=25)).isoformat())
    foreign.refuse("age: it was made 1d 01h ago, more than 1d 00h")
    assert foreign.apply("--max-age", "26h").code == 0


@pytest.mark.parametrize(
    ("tolerance", "pending", "agreed"),
    [("0", 13, False), ("1", 13, True), ("1", 14, False), ("25%", 9, True), ("25%", 8, False)],
    ids=["none", "a number, at its end", "a number, beyond", "a part, at its end", "a part, beyond"],
)
def test_a_count_that_is_off_is_refused_unless_tolerated(
    planned: Planner, store: Store, tolerance: str, pending: int, *, agreed: bool
) -> None:
    store.set(pending)
    words = ("--tolerance", tolerance)
    if agreed:
        assert (planned.apply(*words).code, store.pending) == (0, 0)
    else:
        phrase = f"count to do: 12 pending were planned, there are {pending} (tolerance {tolerance})"
        planned.refuse(phrase, words=words, pending=pending)


@pytest.mark.parametrize("fault", ["exits", "nonsense"])
def test_a_count_that_can_not_be_taken_is_a_difference(
    planned: Planner, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    planned.refuse("count to do: not known (the count ")


@pytest.mark.parametrize("words", [(), ("--yes",)], ids=["asked", "--yes"])
def test_what_runs_is_of_the_appliers_own_server_whatever_path_the_plan_names(
    foreign: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Before, a plan's path took the place of the applier's, and its script counted before the question."""
    theirs = tmp_path / "theirs"
    shutil.copytree(foreign.server.folder, theirs)
    trap = "import pathlib, sys; pathlib.Path(__file__).with_name('ran').touch(); print('pending=12')\n"
    script = theirs / "backfill/media_duration.py"
    script.write_text(trap, encoding="utf-8")
    sha256 = hashlib.sha256(script.read_bytes()).hexdigest()
    foreign.forge(server=str(theirs), server_commit=None, script_hash=sha256)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: pytest.fail("asked about what is refused"))
    ended = foreign.backfill("runs", "apply", str(foreign.file), *words)
    refused(ended, "script: sha256 ", f"server: {theirs} was planned")
    assert not (theirs / "backfill/ran").exists()
    assert foreign.store.pending == 12


def test_the_database_that_is_shown_is_the_one_that_it_would_run_on(foreign: Planner) -> None:
    """Before, a plan could show any database and run on the applier's."""
    harmless = "postgresql://test/harmless"
    foreign.forge(database=harmless, options=foreign.content["options"] | {"database-url": harmless})
    outcome = foreign.apply()
    assert outcome.code == 0
    assert "harmless" not in outcome.stderr
    assert f"{os.environ['DATABASE_URL']}\n" in outcome.stderr
    assert foreign.store.pending == 0


def test_without_a_server_of_ones_own_a_plan_is_refused(
    planned: Planner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(tmp_path / "none"))
    planned.fail(f"the server app {tmp_path}/none (from CORPUS_SERVER_APP_PATH) does not exist")


def test_what_changes_during_a_wait_is_compared_again(
    planned: Planner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, what had changed while another run held the lock was run all the same."""
    waited = lock.wait_for
    held: list[int] = []
    changes: list[Callable[[], object]] = [
        lambda: store.set(11),
        lambda: planned.server.script("media_duration.py", "print('other')"),
    ]

    def wait(path: Path, *, shared: bool) -> int:
        changes.pop(0)()
        os.close(held.pop())
        return waited(path, shared=shared)

    monkeypatch.setattr(lock, "wait_for", wait)
    for phrase in ("count to do: 12 pending were planned, there are 11", "script: sha256 "):
        store.set(12)
        request = replay_plan(planned.read(), Site(dict(os.environ))).request
        path = lock.key_path(open_state().locks, request.lock_key or "")
        held.append(lock.take(path) or 0)
        refused(planned.apply("--wait"), phrase)
        assert lock.is_free(path)
    assert store.pending == 12


# The file.


def test_a_plan_holds_nothing_secret(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    option = '[[option]]\nname = "token"\nsecret = true\nenvvar = "TOKEN"\npass-env = "TOKEN"\n'
    planner.server.spec("duration", planner.spec + option)
    monkeypatch.setenv("DATABASE_URL", f"x://ann:{PASSWORD}@///{planner.store.path}")
    monkeypatch.setenv("TOKEN", "tok-en-tok-en")
    assert planner.make() == 0
    text = planner.file.read_text(encoding="utf-8")
    assert PASSWORD not in text
    assert "tok-en" not in text
    assert planner.content["options"]["token"] == "***"  # noqa: S105 - what stands in a secret's place
    ended = planner.apply()
    assert ended.code == 0
    assert PASSWORD not in ended.stderr
    monkeypatch.delenv("TOKEN")
    failed(planner.apply(), "Set TOKEN")


def test_the_second_person_needs_no_more_than_the_database(
    planned: Planner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    planned.fail("Set DATABASE_URL or give -d")
    assert planned.apply("-d", store.url).code == 0
    assert store.pending == 0


def test_it_is_a_file_like_any_other_and_never_written_over_one(planned: Planner, tmp_path: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(planned.file.stat().st_mode) == 0o666 & ~mask
    before = planned.file.read_bytes(), planned.store.calls
    with pytest.raises(BackfillError, match="exists already"):
        planned.make()
    assert (planned.file.read_bytes(), planned.store.calls) == before, "seen before anything ran"
    # One that appeared meanwhile neither.
    other = planned.file.with_name("other.json")
    other.write_text("mine", encoding="utf-8")
    with pytest.raises(BackfillError, match="exists already"):
        write_plan(other, planned.read(), tmp_path / "state")
    assert other.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in planned.file.parent.glob("*plan.json*")] == ["plan.json"]


def test_an_edited_file_is_refused(planner: Planner, backfill: Program) -> None:
    assert planner.make("--limit", "2") == 0
    content = planner.content
    options = {name: value for name, value in content["options"].items() if name != "limit"}
    changes = {"options": options, "arguments": ["--media-type", "both"]}
    planner.edit(**changes)
    planner.fail("was changed after it was made")
    planner.forge(**changes)
    planner.fail("was changed after it was made")  # it was made here, so the right sha256 does not help
    planner.forget()
    assert "not made here" in backfill("runs", "apply", str(planner.file)).stderr
    for sha256 in (planner.content["sha256"], content["sha256"]):
        planner.edit(arguments=["--media-type", "audio"], sha256=sha256)
        planner.fail("was changed after it was made")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no plan"), (b"\xff\xfe", "is no plan"), (b"[" * 100_000, "is no plan"),
        (b" " * (5 << 20), "too large"), (b'{"format": 2}', "is no plan"),
        (None, "can't be read: No such file"),
    ],
    ids=["empty", "no text", "deep", "large", "of another version", "missing"],
)  # fmt: skip
def test_what_is_no_plan_is_reported(planner: Planner, content: bytes | None, reason: str) -> None:
    if content is not None:
        planner.file.write_bytes(content)
    planner.fail(reason)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"media-type": "images"}, "media-type: "), ({"media-type": 3}, "media-type: not a text"),
        ({"media-type": {"a": 1}}, "media-type: not a text"), ({"nothing": "x"}, "no option nothing"),
        ({"media-type": ["audio"]}, "media-type: not a text"), ({"limit": "9" * 5000}, "too many digits"),
        ({"media-type": json.loads("[" * 500 + "]" * 500)}, "media-type: not a text"),
        ({"dry-run": "x"}, "dry-run: not what this option takes"),
    ],
    ids=["not a choice", "no text", "a table", "unknown", "a list", "a huge number", "deep", "no bool"],
)  # fmt: skip
def test_values_that_nobody_could_have_typed_are_refused(
    foreign: Planner, options: dict[str, Any], reason: str
) -> None:
    foreign.forge(options=foreign.content["options"] | options)
    foreign.fail(reason)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("timeout", "soon", "is no plan that this version can read: 'soon' is not a duration"),
        ("timeout", "110000d", "is no plan that this version can read: '110000d' is too long a duration"),
        ("left", {"pending": 10**400}, "is no plan"),
        ("run", -1, "is no plan"),
        ("command", "no\x1b[2Jsuch\ncommand", r"no\x1b[2Jsuch\ncommand"),
        ("spec_hash", "\x1b[2J" * 9, r"spec: sha256 \x1b[2J"),
        ("server_commit", "\x1b]0;x\x07", r"server commit: \x1b]0;x\x07 was"),
        ("arguments", ["\x1b[2J"], r"arguments: `'\x1b[2J'` was planned"),
        ("made", "0001-01-01T00:00:00+00:00", "age: it was made"),
        ("made", "9999-12-31T23:59:59-23:59", "in the future"),
    ],
    ids=[
        "a timeout that is none", "a timeout that no clock holds", "a count that no number holds",
        "no run's number", "no command's name", "no hash", "no commit", "codes in an argument",
        "made in the year 1", "made in the year 9999",
    ],
)  # fmt: skip
def test_a_damaged_field_is_reported_and_shown_in_no_form_that_a_terminal_obeys(
    foreign: Planner, field: str, value: object, reason: str
) -> None:
    """Whoever makes a plan can put the right sha256 in: all of its fields are anybody's."""
    (foreign.edit if reason.startswith("is no plan") else foreign.forge)(**{field: value})
    foreign.fail(reason)


def test_values_that_mean_nothing_to_another_spec_are_reported_as_another_spec(foreign: Planner) -> None:
    """Before, `unexpected TypeError`: values were not checked once the spec was another."""
    text = 'choices = ["audio", "video", "both"]\ndefault = "both"'
    foreign.server.spec("duration", foreign.spec.replace(text, 'type = "count"'))
    foreign.forge(options=foreign.content["options"] | {"media-type": {}})
    foreign.fail("the spec of duration has changed since")


# What can't be planned.


def test_a_command_without_a_dry_run_can_not_be_planned(planner: Planner) -> None:
    planner.server.spec("duration", 'script = "media_duration.py"\ncommon = ["database-url"]\n')
    planner.refuse_to_make("no dry run")
    assert planner.store.calls == []


@pytest.mark.parametrize("values", [{"dry-run": True}, {"dry-run": False}])
def test_a_script_that_is_dry_by_default_is_planned_with_its_switch_off(values: dict[str, Any]) -> None:
    switch = 'name = "dry-run"\ntype = "bool"\nrole = "dry-run"\ndefault = true\n'
    text = f'spec-version = 1\nscript = "a.py"\n[[option]]\n{switch}'
    script = msgspec.convert(tomllib.loads(f'{text}negate = "--really"'), Script)
    real, dry = both(script, Selection(values=values))
    assert (real.values["dry-run"], dry.values["dry-run"]) == (False, True)
    with pytest.raises(BackfillError, match="makes dry runs only"):
        both(msgspec.convert(tomllib.loads(text), Script), Selection(values={"dry-run": True}))


def test_a_dry_run_that_fails_makes_no_plan(planner: Planner, capfd: pytest.CaptureFixture[str]) -> None:
    body = "import sys; print('pending=1'); sys.exit(3 if '--dry-run' in sys.argv else 0)"
    planner.server.script("media_duration.py", body)
    assert planner.make() == 3
    assert "No plan was written" in capfd.readouterr().err
    assert not planner.file.exists()


CHANGES_ITSELF = """
import pathlib, sys
print("pending=1")
if "--dry-run" in sys.argv:
    path = pathlib.Path(sys.argv[0])
    path.write_text(path.read_text() + "#")
"""


def test_a_script_that_changes_under_the_dry_run_makes_no_plan(planner: Planner) -> None:
    planner.server.script("media_duration.py", CHANGES_ITSELF)
    planner.refuse_to_make("while the dry run ran, this changed:\n  script: ")


@pytest.mark.parametrize(
    ("variable", "value", "note", "reason"),
    [
        ("FAULT", "nonsense", (), r"what is left to do is not known: .*banana"),
        ("DATABASE_URL", f"x://ann:{PASSWORD}@host/db", ("--note", PASSWORD), "an option holds a secret"),
        ("DATABASE_URL", f"postgresql://u:x/{PASSWORD}@db/name", (), "can be read in several ways"),
    ],
    ids=["a count that fails", "a secret in another option", "an ambiguous database"],
)
def test_what_a_plan_could_not_say_can_not_be_planned(
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
    *,
    variable: str,
    value: str,
    note: tuple[str, ...],
    reason: str,
) -> None:
    planner.server.spec("duration", planner.spec + '[[option]]\nname = "note"\n')
    monkeypatch.setenv(variable, value)
    planner.refuse_to_make(reason, *note)
    assert len(planner.store.calls) == (variable == "FAULT"), "the count alone, if anything"
    assert "--dry-run" not in " ".join(planner.store.calls)


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("duration.toml", r"\[postcondition\].*", "", "the spec declares no count"),
        ("media_duration.py", r'add_argument\("--remaining"[^\n]*\noptions = parser.parse_args\(\)',
         "set_defaults(remaining=0)\noptions = parser.parse_known_args()[0]",
         "the script has no --remaining"),
    ],
    ids=["no postcondition", "not in the script, which ignores what it does not know"],
)  # fmt: skip
def test_without_a_count_a_plan_is_made_that_says_so(
    planner: Planner, file: str, old: str, new: str, why: str
) -> None:
    path = planner.server.scripts / file
    text, changed = re.subn(old, new, path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert changed
    path.write_text(text, encoding="utf-8")
    assert planner.make() == 0
    plan = planner.content
    assert (plan["left"], plan["not_counted"], plan["previewed"]) == ({}, why, {"would_update": 12})
    assert all(plan[pinned] for pinned in ("arguments", "script_hash", "spec_hash", "database_identity"))
    ended = planner.apply("--max-age", "1h")
    assert f"not compared: nothing was counted: {why}" in ended.stderr
    assert len(planner.store.calls) == 2
    assert "--remaining" not in " ".join(planner.store.calls), "no count was started"


# The judgement, alone.

PLAN = Plan(
    id="0" * 32, command="duration", arguments=("--x", "1"), options={}, given=(), script="backfill/a.py",
    script_hash="a" * 64, spec_hash="b" * 64, server="/srv", server_commit="c" * 40,
    database="postgresql://u:***@h/d", database_identity="postgresql://h/d", left={"pending": 100},
    previewed={}, run=1, user="ann", host="h", made=datetime(2026, 1, 1, tzinfo=UTC), plugin_version="1",
)  # fmt: skip
REQUEST = RunRequest(
    invocation=Invocation(
        program=("python",), script="backfill/a.py", arguments=("--x", "1"), folder="/srv", environ={}
    ),
    command="duration", spec_source="server", spec_path="/srv/duration.toml", spec_hash="b" * 64,
    script_path="/srv/a.py", script_hash="a" * 64, options={}, database="postgresql://bob:***@h/d",
    server="/srv", server_commit="c" * 40,
)  # fmt: skip


def judged(
    request: dict[str, Any] | None = None, plan: dict[str, Any] | None = None, after: int = 1, **more: Any  # noqa: ANN401
) -> tuple[str, ...]:  # fmt: skip
    """Return the differences, minutes after the plan was made."""
    changed = msgspec.structs.replace(PLAN, **(plan or {}))
    now = PLAN.made + timedelta(minutes=after)
    return differences(changed, replace(REQUEST, **(request or {})), now=now, **more)


OTHER_DATABASES = (
    "postgresql://h/d?service=staging", "postgresql://h/d?host=/a", "postgresql://h/d@x", "postgresql://h:5433/d",
    "postgresql://h/d PGHOST=x", "***", "sqlite:///d", None,
)  # fmt: skip
NO_PROOF = "server: /srv was planned, and no commit proves that /opt is the same"
DIFFERENCES: list[tuple[dict[str, Any], str]] = [
    ({}, ""),  # whoever logs in to the database
    ({"request": {"server": "/opt"}}, ""),  # a clean commit proves it to be the same
    *(({"request": {"server": "/opt", "server_commit": dirty}, "plan": {"server_commit": dirty}}, NO_PROOF)
      for dirty in (None, "c" * 40 + "+dirty")),
    ({"after": -4}, ""),  # clocks may differ
    ({"after": -60}, "age: it was made 1h 00m in the future, by this machine's clock"),
    ({"counted": Counted(counts={"other": 1})},
     "count to do: 100 pending were planned, the count does not say it now"),
    ({"request": {"database": "***"}, "plan": {"database": "***", "database_identity": "***"}},
     "database: *** was planned, it is ***"),
    *(({"request": {"database": url}}, f"database: postgresql://u:***@h/d was planned, it is {url or 'none'}")
      for url in OTHER_DATABASES),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), DIFFERENCES)
def test_each_difference_is_named_and_nothing_else_is_one(changes: dict[str, Any], expected: str) -> None:
    assert judged(**changes) == ((expected,) if expected else ())


@pytest.mark.parametrize("text", ["", "%", "-1", "5 %", "1e3", "nan", "five", "5%%"])
def test_a_tolerance_is_a_number_or_a_part(text: str) -> None:
    with click.Context(apply) as ctx, pytest.raises(click.BadParameter, match="neither a number"):
        check_tolerance(ctx, apply.params[0], text)


# The option, through the real program.


def test_plan_writes_a_file_that_apply_runs(working: Server, cli: Cli, tmp_path: Path) -> None:
    environ = {"CORPUS_SERVER_APP_PATH": str(working.folder)}
    file = tmp_path / "p.json"
    made = cli("duration", "--media-type", "audio", "--plan", str(file), env=environ)
    assert (made.code, made.stdout) == (0, "would-update=12\n")
    assert f"Plan written to {file}" in made.stderr
    done = cli("runs", "apply", str(file), "--yes", env=environ)
    assert (done.code, done.stdout) == (0, "updated=12 skipped=0 failed=0\n")


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("switch", ["--detach", "--no-record", "--show-command"])
def test_plan_refuses_what_contradicts_it(switch: str, cli: Cli, tmp_path: Path) -> None:
    outcome = cli("duration", "--plan", str(tmp_path / "p.json"), switch)
    assert outcome.code == 2
    assert f"--plan can't be given with {switch}" in outcome.stderr
    assert not (tmp_path / "p.json").exists()
