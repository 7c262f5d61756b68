"""Plans: what one person previewed, another runs exactly so, or is told each difference."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import pytest

from corpus_backfill_plugin.agent import lock
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.records import Invocation, RunRequest
from corpus_backfill_plugin.agent.state import open_state
from corpus_backfill_plugin.agent.verify import Counted
from corpus_backfill_plugin.command import ScriptCommand, checked_selection, command_for
from corpus_backfill_plugin.commands.apply import apply, check_tolerance
from corpus_backfill_plugin.commands.replay import replay_plan
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.plans.make import both, make_plan
from corpus_backfill_plugin.plans.plan import Plan, checksummed, differences, read_plan, write_plan
from corpus_backfill_plugin.specs.catalog import LoadedSpec
from corpus_backfill_plugin.specs.model import Script
from corpus_backfill_plugin.specs.selection import Selection
from corpus_backfill_plugin.workspace import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Program, Server

    from proof.conftest import Store

PASSWORD = "hunter2-hunter2"  # noqa: S105 - nobody's


@dataclass(frozen=True)
class Planner:
    """Makes plans in this process, as `NAME ... --plan FILE` does."""

    file: Path

    def make(self, *words: str, **more: Any) -> int:  # noqa: ANN401 - make_plan's own
        """Plan `words`, the command's name first, and return the exit code."""
        site = Site(dict(os.environ))
        spec = site.catalog.load(words[0])
        assert isinstance(spec, LoadedSpec)
        command = command_for(spec)
        assert isinstance(command, ScriptCommand)
        with command.make_context(words[0], list(words[1:])) as ctx:
            chosen = checked_selection(ctx, command.script)
        return make_plan(spec, chosen, site, self.file, **more)

    @property
    def content(self) -> dict[str, Any]:
        """What the file holds."""
        content: dict[str, Any] = json.loads(self.file.read_bytes())
        return content

    def edit(self, *, checksummed_again: bool = False, **changes: object) -> None:
        """Change the file as an editor would, or as a program that puts the right sha256 in."""
        content = self.content | changes
        self.file.write_text(json.dumps(content), encoding="utf-8")
        if checksummed_again:
            plan = checksummed(msgspec.convert(content, Plan))
            self.file.write_bytes(msgspec.json.encode(plan))

    def forget(self) -> None:
        """Make this machine one on which the plan was not made."""
        (Path(os.environ["CORPUS_BACKFILL_STATE"]) / "plans" / self.content["id"]).unlink()


@pytest.fixture
def planner(working: Server, tmp_path: Path) -> Planner:
    """Plans into one file, for the server app that works."""
    assert working.scripts.is_dir()
    return Planner(tmp_path / "plan.json")


@pytest.fixture
def applied(backfill: Program) -> Program:
    """Call `backfill runs apply`."""

    def call(*words: str | Path) -> Any:  # noqa: ANN401 - an Outcome
        return backfill("runs", "apply", *map(str, words))

    return call


def refused(outcome: Any, *phrases: str) -> None:  # noqa: ANN401 - an Outcome
    """Assert that a plan was refused for these differences and no other."""
    assert outcome.code == 1
    head, _, rest = outcome.stderr.partition("Error: not run: it would not be what was planned:\n")
    told = [line.strip() for line in rest.splitlines() if line.startswith("  ")]
    assert len(told) == len(phrases), (head, rest)
    for line, phrase in zip(told, phrases, strict=True):
        assert phrase in line


def failed(outcome: Any, reason: str) -> None:  # noqa: ANN401 - an Outcome
    """Assert that applying ended with an error for this reason."""
    assert outcome.code == 1
    assert reason in outcome.stderr


def commit(folder: Path, message: str) -> str:
    """Commit all that is in `folder`, a repository from then on, and return the commit."""
    settings = ("user.name=a", "user.email=a@b", "commit.gpgsign=false")
    git = ("git", "-C", str(folder), *(word for each in settings for word in ("-c", each)))
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "--allow-empty", "-m", message)):
        subprocess.run((*git, *words), check=True, capture_output=True)
    done = subprocess.run((*git, "rev-parse", "HEAD"), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_plan_tells_what_would_be_done_and_changes_nothing(planner: Planner, store: Store) -> None:
    head = commit(Path(os.environ["CORPUS_SERVER_APP_PATH"]), "first")
    assert planner.make("duration", "--media-type", "video", "--limit", "5") == 0
    plan = planner.content
    assert plan["command"] == "duration"
    assert plan["arguments"] == ["--limit", "5", "--media-type", "video"]
    assert plan["options"] == {"database-url": store.url, "limit": "5", "media-type": "video"}
    assert plan["left"] == {"pending": 12}
    assert plan["previewed"] == {"would_update": 5}
    assert (plan["server_commit"], plan["run"], plan["database"]) == (head, 1, store.url)
    assert plan["host"] == os.uname().nodename
    made = datetime.fromisoformat(plan["made"])
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)
    assert store.pending == 12
    assert store.calls == [
        "--media-type video --remaining",
        "--dry-run --limit 5 --media-type video",
    ]


def test_the_dry_run_is_recorded_and_the_applied_run_points_to_it(
    planner: Planner, applied: Program, tmp_path: Path
) -> None:
    assert planner.make("duration") == 0
    assert applied(planner.file, "--yes").code == 0
    with Ledger(tmp_path / "state/ledger.sqlite3") as ledger:
        first, second = ledger.get(1), ledger.get(2)
    assert first is not None
    assert second is not None
    assert (first.dry_run, second.dry_run, second.parent) == (True, False, 1)


def test_apply_runs_exactly_the_planned_argument_list(
    planner: Planner, applied: Program, store: Store
) -> None:
    words = ("--media-type", "audio", "--limit", "4", "--workers", "-1")
    assert planner.make("duration", "--dry-run", *words) == 0
    ended = applied(planner.file, "--yes")
    assert (ended.code, ended.stdout) == (0, "updated=4 skipped=0 failed=0\n")
    assert store.calls[-1] == "--limit 4 --media-type audio --workers=-1"
    assert store.calls[-1].split() == planner.content["arguments"]
    assert store.pending == 8


def test_apply_asks_and_takes_no_for_an_answer(
    planner: Planner, applied: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planner.make("duration") == 0
    asked: list[str] = []

    def answer(question: str, **_: object) -> bool:
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr(click, "confirm", answer)
    ended = applied(planner.file)
    assert (ended.code, store.pending) == (1, 12)
    assert "left then     12 pending" in ended.stderr
    assert "--remaining" not in store.calls[-1], "nothing runs before the answer"
    assert "would update 12" in ended.stderr
    assert applied(planner.file).code == 0
    assert store.pending == 0
    assert asked == ["Run duration as planned?"] * 2


def test_without_anybody_to_answer_nothing_is_run(
    planner: Planner, applied: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planner.make("duration") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO())
    failed(applied(planner.file), "--yes")
    assert store.pending == 12


def test_what_changes_while_the_question_stands_is_seen(
    planner: Planner, applied: Program, working: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planner.make("duration") == 0

    def ponder(text: str, **_: object) -> bool:
        script = working.scripts / "media_duration.py"
        script.write_text(script.read_text(encoding="utf-8") + "#", encoding="utf-8")
        return bool(text)

    monkeypatch.setattr(click, "confirm", ponder)
    refused(applied(planner.file), "script: sha256 ")
    assert store.pending == 12


def test_a_plan_can_be_applied_only_once_as_its_work_is_done(planner: Planner, applied: Program) -> None:
    assert planner.make("duration") == 0
    assert applied(planner.file, "--yes").code == 0
    refused(applied(planner.file, "--yes"), "count to do: 12 pending were planned, there are 0 (tolerance 0)")


# Each single difference.


@pytest.mark.parametrize(
    ("file", "phrase"), [("media_duration.py", "script: sha256 "), ("duration.toml", "spec: sha256 ")]
)
def test_a_file_changed_by_one_byte_is_refused(
    planner: Planner, applied: Program, working: Server, store: Store, *, file: str, phrase: str
) -> None:
    assert planner.make("duration") == 0
    path = working.scripts / file
    path.write_bytes(path.read_bytes() + b"\n")
    refused(applied(planner.file, "--yes"), phrase)
    assert store.pending == 12


@pytest.mark.parametrize("committed", [True, False], ids=["another commit", "a change in no commit"])
def test_another_state_of_the_server_app_is_refused(
    planner: Planner, applied: Program, working: Server, *, committed: bool
) -> None:
    first = commit(working.folder, "first")
    assert planner.make("duration") == 0
    (working.folder / "models.py").write_text("", encoding="utf-8")
    now = commit(working.folder, "second")[:12] if committed else f"{first[:12]}+dirty"
    refused(applied(planner.file, "--yes"), f"server commit: {first[:12]} was planned, it is {now}")


def test_other_arguments_are_refused_even_with_the_right_sha256(planner: Planner, applied: Program) -> None:
    assert planner.make("duration", "--media-type", "video") == 0
    planner.forget()
    planner.edit(checksummed_again=True, arguments=["--media-type", "audio"])
    refused(
        applied(planner.file, "--yes"),
        "arguments: `--media-type audio` was planned, it would be `--media-type video`",
    )


def test_another_database_is_refused(
    planner: Planner, applied: Program, store: Store, tmp_path: Path
) -> None:
    assert planner.make("duration") == 0
    (tmp_path / "other").write_text("12", encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'other'}"
    refused(applied(planner.file, "--yes", "-d", url), f"database: {store.url} was planned, it is {url}")
    assert (tmp_path / "other").read_text(encoding="utf-8") == "12"


def test_a_plan_that_is_too_old_is_refused(planner: Planner, applied: Program) -> None:
    assert planner.make("duration") == 0
    planner.forget()
    planner.edit(checksummed_again=True, made=(datetime.now(UTC) - timedelta(hours=25)).isoformat())
    refused(applied(planner.file, "--yes"), "age: it was made 1d 01h ago, more than 1d 00h")
    assert applied(planner.file, "--yes", "--max-age", "26h").code == 0


@pytest.mark.parametrize(
    ("tolerance", "pending", "agreed"),
    [
        pytest.param("0", 13, False, id="none"),
        pytest.param("1", 13, True, id="a number, at its end"),
        pytest.param("1", 14, False, id="a number, beyond"),
        pytest.param("25%", 9, True, id="a part, at its end"),
        pytest.param("25%", 8, False, id="a part, beyond"),
    ],
)
def test_a_count_that_is_off_is_refused_unless_tolerated(
    planner: Planner, applied: Program, store: Store, tolerance: str, pending: int, *, agreed: bool
) -> None:
    assert planner.make("duration") == 0
    store.set(pending)
    ended = applied(planner.file, "--yes", "--tolerance", tolerance)
    if agreed:
        assert (ended.code, store.pending) == (0, 0)
    else:
        refused(ended, f"count to do: 12 pending were planned, there are {pending} (tolerance {tolerance})")
        assert store.pending == pending


@pytest.mark.parametrize("fault", ["exits", "nonsense"])
def test_a_count_that_can_not_be_taken_is_a_difference(
    planner: Planner, applied: Program, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    assert planner.make("duration") == 0
    monkeypatch.setenv("FAULT", fault)
    refused(applied(planner.file, "--yes"), "count to do: not known (the count ")


def test_all_differences_are_named_at_once(
    planner: Planner, applied: Program, working: Server, store: Store
) -> None:
    assert planner.make("duration") == 0
    for name in ("media_duration.py", "duration.toml"):
        path = working.scripts / name
        path.write_bytes(path.read_bytes() + b"#\n")
    before = store.calls
    refused(applied(planner.file, "--yes"), "script: ", "spec: ")
    assert store.calls == before, "a script that is not the planned one counts nothing"


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "--yes"])
def test_what_runs_is_of_the_appliers_own_server_whatever_path_the_plan_names(
    planner: Planner,
    applied: Program,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    asked: bool,
) -> None:
    """Before, a plan's path took the place of the applier's, and its script counted before the question."""
    theirs = tmp_path / "theirs"
    shutil.copytree(os.environ["CORPUS_SERVER_APP_PATH"], theirs)
    assert planner.make("duration") == 0
    trap = "import pathlib, sys; pathlib.Path(__file__).with_name('ran').touch(); print('pending=12')\n"
    script = theirs / "backfill/media_duration.py"
    script.write_text(trap, encoding="utf-8")
    planner.forget()
    sha256 = hashlib.sha256(script.read_bytes()).hexdigest()
    planner.edit(checksummed_again=True, server=str(theirs), server_commit=None, script_hash=sha256)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: pytest.fail("asked about what is refused"))
    refused(
        applied(planner.file, *([] if asked else ["--yes"])),
        "script: sha256 ",
        f"server: {theirs} was planned",
    )
    assert not (theirs / "backfill/ran").exists()
    assert store.pending == 12


def test_the_database_that_is_shown_is_the_one_that_it_would_run_on(
    planner: Planner, applied: Program, store: Store
) -> None:
    """Before, a plan could show any database and run on the applier's."""
    assert planner.make("duration") == 0
    planner.forget()
    harmless = "postgresql://test/harmless"
    options = planner.content["options"] | {"database-url": harmless}
    planner.edit(checksummed_again=True, database=harmless, options=options)
    outcome = applied(planner.file, "--yes")
    assert outcome.code == 0
    assert "harmless" not in outcome.stderr
    assert f"{os.environ['DATABASE_URL']}\n" in outcome.stderr
    assert store.pending == 0


def test_without_a_server_of_ones_own_a_plan_is_refused(
    planner: Planner, applied: Program, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert planner.make("duration") == 0
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(tmp_path / "none"))
    failed(
        applied(planner.file, "--yes"),
        f"the server app {tmp_path}/none (from CORPUS_SERVER_APP_PATH) does not exist",
    )
    assert store.pending == 12


def test_what_changes_during_a_wait_is_compared_again(
    planner: Planner, applied: Program, working: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, what had changed while another run held the lock was run all the same."""
    assert planner.make("duration") == 0
    waited = lock.wait_for
    held: list[int] = []
    changes: list[Callable[[], object]] = [
        lambda: store.set(11),
        lambda: working.script("media_duration.py", "print('other')"),
    ]

    def wait(path: Path, *, shared: bool) -> int:
        changes.pop(0)()
        os.close(held.pop())
        return waited(path, shared=shared)

    monkeypatch.setattr(lock, "wait_for", wait)
    for phrase in ("count to do: 12 pending were planned, there are 11", "script: sha256 "):
        store.set(12)
        request = replay_plan(read_plan(planner.file), Site(dict(os.environ))).request
        path = lock.key_path(open_state().locks, request.lock_key or "")
        held.append(lock.take(path) or 0)
        refused(applied(planner.file, "--yes", "--wait"), phrase)
        assert lock.is_free(path)
    assert store.pending == 12


# The file.


def test_a_plan_holds_nothing_secret(
    planner: Planner, applied: Program, working: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = (working.scripts / "duration.toml").read_text(encoding="utf-8").partition("\n")[2]
    option = '[[option]]\nname = "token"\nsecret = true\nenvvar = "TOKEN"\npass-env = "TOKEN"\n'
    working.spec("duration", spec + option)
    monkeypatch.setenv("DATABASE_URL", f"x://ann:{PASSWORD}@///{store.path}")
    monkeypatch.setenv("TOKEN", "tok-en-tok-en")
    assert planner.make("duration") == 0
    text = planner.file.read_text(encoding="utf-8")
    assert PASSWORD not in text
    assert "tok-en" not in text
    assert planner.content["options"]["token"] == "***"  # noqa: S105 - what stands in a secret's place
    ended = applied(planner.file, "--yes")
    assert ended.code == 0
    assert PASSWORD not in ended.stderr
    monkeypatch.delenv("TOKEN")
    failed(applied(planner.file, "--yes"), "Set TOKEN")


def test_the_second_person_needs_no_more_than_the_database(
    planner: Planner, applied: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planner.make("duration") == 0
    monkeypatch.delenv("DATABASE_URL")
    failed(applied(planner.file, "--yes"), "Set DATABASE_URL or give -d")
    assert applied(planner.file, "--yes", "-d", store.url).code == 0
    assert store.pending == 0


def test_it_is_a_file_like_any_other_and_never_written_over_one(planner: Planner, store: Store) -> None:
    assert planner.make("duration") == 0
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(planner.file.stat().st_mode) == 0o666 & ~mask
    before, calls = planner.file.read_bytes(), len(store.calls)
    with pytest.raises(BackfillError, match="exists already"):
        planner.make("duration")
    assert (planner.file.read_bytes(), len(store.calls)) == (before, calls), "seen before anything ran"
    assert [path.name for path in planner.file.parent.glob("*plan.json*")] == ["plan.json"]


def test_a_file_that_appeared_meanwhile_is_not_written_over(planner: Planner) -> None:
    assert planner.make("duration") == 0
    plan, other = read_plan(planner.file), planner.file.with_name("other.json")
    other.write_text("mine", encoding="utf-8")
    with pytest.raises(BackfillError, match="exists already"):
        write_plan(other, plan)
    assert other.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("known", [True, False], ids=["made here", "made elsewhere"])
def test_an_edited_file_is_refused(planner: Planner, applied: Program, store: Store, *, known: bool) -> None:
    assert planner.make("duration", "--limit", "2") == 0
    if not known:
        planner.forget()
    planner.edit(arguments=["--media-type", "both"])
    failed(applied(planner.file, "--yes"), "was changed after it was made")
    assert store.pending == 12


def test_an_edited_file_with_the_right_sha256_is_refused_where_it_was_made(
    planner: Planner, applied: Program, store: Store
) -> None:
    assert planner.make("duration", "--limit", "2") == 0
    options = {name: value for name, value in planner.content["options"].items() if name != "limit"}
    changes = {"options": options, "arguments": ["--media-type", "both"]}
    planner.edit(checksummed_again=True, **changes)
    failed(applied(planner.file, "--yes"), "was changed after it was made")
    assert store.pending == 12
    planner.forget()
    assert "not made here" in applied(planner.file).stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "is no plan", id="empty"),
        pytest.param(b"\xff\xfe", "is no plan", id="no text"),
        pytest.param(b"[" * 100_000, "is no plan", id="deep"),
        pytest.param(b" " * (5 << 20), "too large", id="large"),
        pytest.param(b'{"format": 2}', "is no plan", id="of another version"),
        pytest.param(None, "can't be read: No such file", id="missing"),
    ],
)
def test_what_is_no_plan_is_told(
    applied: Program, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    ended = applied(tmp_path / "x.json")
    assert ended.code == 1
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"media-type": "images"}, "media-type: ", id="not a choice"),
        pytest.param({"media-type": 3}, "media-type: not a text", id="no text"),
        pytest.param({"media-type": {"a": 1}}, "media-type: not a text", id="a table"),
        pytest.param({"dry-run": "x"}, "dry-run: not what this option takes", id="no bool"),
        pytest.param({"nothing": "x"}, "there is no option nothing", id="unknown"),
        pytest.param({"media-type": ["audio"]}, "media-type: not a text", id="a list for one value"),
        pytest.param({"media-type": json.loads("[" * 500 + "]" * 500)}, "media-type: not a text", id="deep"),
        pytest.param({"limit": "9" * 5000}, "too many digits", id="a huge number"),
    ],
)
def test_values_that_nobody_could_have_typed_are_refused(
    planner: Planner, applied: Program, options: dict[str, Any], reason: str
) -> None:
    assert planner.make("duration") == 0
    planner.forget()
    planner.edit(checksummed_again=True, options=planner.content["options"] | options)
    failed(applied(planner.file, "--yes"), reason)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        pytest.param(
            "timeout",
            "soon",
            "is no plan that this version can read: 'soon' is not a duration",
            id="a timeout that is none",
        ),
        pytest.param(
            "timeout",
            "110000d",
            "is no plan that this version can read: '110000d' is too long a duration",
            id="a timeout that no clock holds",
        ),
        pytest.param("left", {"pending": 10**400}, "is no plan", id="a count that no number holds"),
        pytest.param("run", -1, "is no plan", id="no run's number"),
        pytest.param("command", "no\x1b[2Jsuch\ncommand", r"no\x1b[2Jsuch\ncommand", id="no command's name"),
        pytest.param("spec_hash", "\x1b[2J" * 9, r"spec: sha256 \x1b[2J", id="no hash"),
        pytest.param("server_commit", "\x1b]0;x\x07", r"server commit: \x1b]0;x\x07 was", id="no commit"),
        pytest.param(
            "arguments", ["\x1b[2J"], r"arguments: `'\x1b[2J'` was planned", id="codes in an argument"
        ),
        pytest.param("made", "0001-01-01T00:00:00+00:00", "age: it was made", id="made in the year 1"),
        pytest.param("made", "9999-12-31T23:59:59-23:59", "in the future", id="made in the year 9999"),
    ],
)
def test_a_damaged_field_is_told_and_shown_in_no_form_that_a_terminal_obeys(
    planner: Planner, applied: Program, field: str, value: object, reason: str
) -> None:
    """Whoever makes a plan can put the right sha256 in: all of its fields are anybody's."""
    assert planner.make("duration") == 0
    planner.forget()
    planner.edit(checksummed_again=not reason.startswith("is no plan"), **{field: value})
    ended = applied(planner.file, "--yes")
    assert ended.code == 1
    assert reason in ended.stderr
    assert "unexpected" not in ended.stderr
    assert not set(ended.stderr) & {"\x1b", "\x07"}


def test_values_that_mean_nothing_to_another_spec_are_told_as_another_spec(
    planner: Planner, applied: Program, working: Server
) -> None:
    """Before, `unexpected TypeError`: values were not checked once the spec was another."""
    assert planner.make("duration") == 0
    spec = (working.scripts / "duration.toml").read_text(encoding="utf-8").partition("\n")[2]
    working.spec(
        "duration", spec.replace('choices = ["audio", "video", "both"]\ndefault = "both"', 'type = "count"')
    )
    planner.forget()
    planner.edit(checksummed_again=True, options=planner.content["options"] | {"media-type": {}})
    failed(applied(planner.file, "--yes"), "the spec of duration has changed since")


# What can't be planned.


def test_a_command_without_a_dry_run_can_not_be_planned(
    planner: Planner, working: Server, store: Store
) -> None:
    working.spec("duration", 'script = "media_duration.py"\ncommon = ["database-url"]\n')
    with pytest.raises(BackfillError, match="no dry run"):
        planner.make("duration")
    assert not planner.file.exists()
    assert store.calls == []


def dry_by_default(more: str) -> Script:
    """Return a script whose dry run is on unless it is told otherwise."""
    switch = f'name = "dry-run"\ntype = "bool"\nrole = "dry-run"\ndefault = true\n{more}'
    text = f'spec-version = 1\nscript = "a.py"\n[[option]]\n{switch}\n'
    return msgspec.convert(tomllib.loads(text), Script)


def test_a_script_that_is_dry_by_default_is_planned_with_its_switch_off() -> None:
    script = dry_by_default('negate = "--really"')
    for values in ({"dry-run": True}, {"dry-run": False}):
        real, dry = both(script, Selection(values=dict(values)))
        assert (real.values["dry-run"], dry.values["dry-run"]) == (False, True)


def test_a_script_that_is_always_dry_has_nothing_to_plan_for() -> None:
    with pytest.raises(BackfillError, match="makes dry runs only"):
        both(dry_by_default(""), Selection(values={"dry-run": True}))


def test_a_dry_run_that_fails_makes_no_plan(
    planner: Planner, working: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    body = "import sys; print('pending=1'); sys.exit(3 if '--dry-run' in sys.argv else 0)"
    working.script("media_duration.py", body)
    assert planner.make("duration") == 3
    assert "No plan was written" in capfd.readouterr().err
    assert not planner.file.exists()


def test_a_count_that_fails_makes_no_plan(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setenv("FAULT", "nonsense")
    with pytest.raises(BackfillError, match=r"what is left to do is not known: .*banana"):
        planner.make("duration")
    assert not planner.file.exists()
    assert "--dry-run" not in " ".join(store.calls)


def test_a_script_that_changes_under_the_dry_run_makes_no_plan(planner: Planner, working: Server) -> None:
    body = """
import pathlib, sys
print("pending=1")
if "--dry-run" in sys.argv:
    path = pathlib.Path(sys.argv[0])
    path.write_text(path.read_text() + "#")
"""
    working.script("media_duration.py", body)
    with pytest.raises(BackfillError, match="while the dry run ran, this changed:\n  script: "):
        planner.make("duration")
    assert not planner.file.exists()


def test_a_secret_in_another_option_can_not_be_planned(
    planner: Planner, working: Server, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    spec = (working.scripts / "duration.toml").read_text(encoding="utf-8").partition("\n")[2]
    working.spec("duration", spec + '[[option]]\nname = "note"\n')
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ann:{PASSWORD}@host/db")
    with pytest.raises(BackfillError, match="an option holds a secret"):
        planner.make("duration", "--note", PASSWORD)
    assert store.calls == []


def test_a_database_that_can_be_read_in_several_ways_can_not_be_planned(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:x/{PASSWORD}@db/name")
    with pytest.raises(BackfillError, match="can be read in several ways"):
        planner.make("duration")


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        pytest.param(
            ("duration.toml", r"\[postcondition\].*", ""), "the spec declares no count", id="no postcondition"
        ),
        pytest.param(
            (
                "media_duration.py",
                r'add_argument\("--remaining"[^\n]*\noptions = parser.parse_args\(\)',
                "set_defaults(remaining=False)\noptions = parser.parse_known_args()[0]",
            ),
            "the script has no --remaining",
            id="not in the script, which ignores what it does not know",
        ),
    ],
)
def test_without_a_count_a_plan_is_made_that_says_so(
    planner: Planner, applied: Program, working: Server, edit: tuple[str, str, str], why: str
) -> None:
    file, old, new = edit
    path = working.scripts / file
    text, changed = re.subn(old, new, path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert changed
    path.write_text(text, encoding="utf-8")
    assert planner.make("duration") == 0
    plan = planner.content
    assert (plan["left"], plan["not_counted"], plan["previewed"]) == ({}, why, {"would_update": 12})
    assert all(plan[pinned] for pinned in ("arguments", "script_hash", "spec_hash", "database_identity"))
    ended = applied(planner.file, "--yes", "--max-age", "1h")
    assert f"not compared: nothing was counted: {why}" in ended.stderr
    calls = (working.folder.parents[1] / "store.calls").read_text(encoding="utf-8")
    assert (calls.count("\n"), "--remaining" in calls) == (2, False), "no count was started"


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


def judged(plan: Plan = PLAN, request: RunRequest = REQUEST, **more: Any) -> tuple[str, ...]:  # noqa: ANN401 - of differences
    """Return the differences a minute after the plan was made."""
    return differences(plan, request, **({"now": PLAN.made + timedelta(minutes=1)} | more))


def test_the_same_run_has_no_difference_whoever_logs_in_to_the_database() -> None:
    assert judged() == ()


@pytest.mark.parametrize(
    "database",
    ["postgresql://h/d?service=staging", "postgresql://h/d?host=/a", "postgresql://h/d@x", "postgresql://h:5433/d",
     "postgresql://h/d PGHOST=x", "***", "sqlite:///d", None],
)  # fmt: skip
def test_any_other_database_is_a_difference(database: str | None) -> None:
    assert judged(request=dataclasses.replace(REQUEST, database=database)) == (
        f"database: postgresql://u:***@h/d was planned, it is {database or 'none'}",
    )


def test_a_database_that_nobody_can_read_is_never_the_planned_one() -> None:
    plan = msgspec.structs.replace(PLAN, database="***", database_identity="***")
    assert judged(plan, dataclasses.replace(REQUEST, database="***")) != ()


def test_another_server_folder_is_the_same_when_a_clean_commit_proves_it() -> None:
    elsewhere = dataclasses.replace(REQUEST, server="/opt")
    assert judged(request=elsewhere) == ()
    for commit_ in (None, "c" * 40 + "+dirty"):
        plan = msgspec.structs.replace(PLAN, server_commit=commit_)
        request = dataclasses.replace(elsewhere, server_commit=commit_)
        assert judged(plan, request) == (
            "server: /srv was planned, and no commit proves that /opt is the same",
        )


def test_a_plan_from_the_future_is_refused_beyond_the_skew_of_clocks() -> None:
    assert judged(now=PLAN.made - timedelta(minutes=4)) == ()
    assert judged(now=PLAN.made - timedelta(hours=1)) == (
        "age: it was made 1h 00m in the future, by this machine's clock",
    )


def test_a_count_that_says_something_else_is_a_difference() -> None:
    assert judged(counted=Counted(counts={"other": 1})) == (
        "count to do: 100 pending were planned, the count does not say it now",
    )


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


@pytest.mark.parametrize("switch", ["--detach", "--no-record", "--show-command"])
def test_plan_refuses_what_contradicts_it(switch: str, working: Server, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    outcome = cli("duration", "--plan", str(file), switch, "--server-path", str(working.folder))
    assert outcome.code == 2
    assert f"--plan can't be given with {switch}" in outcome.stderr
    assert not file.exists()
