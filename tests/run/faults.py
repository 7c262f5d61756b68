"""Kills and other faults, counted: `python tests/run/faults.py --tries 200 --write`.

After each the ledger must open, every script that began must have exactly one record, its state must
be what its own trace says, it must be seen while it runs, and a later run of the kind must start.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from corpus_backfill_plugin.agent.folder import RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.agent.records import RunRecord

HERE = Path(__file__).parent
DOC = HERE.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
CODE = 7
SETTLE_SECONDS = 30.0
RUN_SECONDS = 0.3
ANSWER_SECONDS = 25.0
LOOK_SECONDS = 3.0
"""More than the supervisor lets pass between two looks at the lengths of the logs."""
EXPECTED = {"stopped", "unverified", "failed"}
"""States that a try may ask for, of a script that ended with 0."""

Verdict: TypeAlias = tuple[int, list[str]]
"""How many runs were lost in a try, and what was wrong."""
Fault: TypeAlias = tuple[str, int, Callable[[], Verdict]]
"""What is done, how often, and the function that tries it once."""


@dataclass
class Tally:
    """One row of the table."""

    fault: str
    tries: int = 0
    lost: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    def count(self, verdict: Verdict) -> None:
        self.tries += 1
        self.lost += verdict[0]
        self.wrong += bool(verdict[1])
        self.notes += verdict[1]


class Place:
    """A state folder of its own for one try.

    Args:
        mount: options of a small file system to keep it on, such as `size=1m`.
    """

    def __init__(self, mount: str = "") -> None:
        self.root = Path(tempfile.mkdtemp(prefix="faults-"))
        self.state = State(self.root / "state")
        self._mount = mount
        if mount:
            self.state.root.mkdir()
            options = ["-t", "tmpfs", "-o", f"mode=700,{mount}", "faults", str(self.state.root)]
            subprocess.run(["mount", *options], check=True)
        self.trace = self.root / "trace"
        self.died = self.root / "died"
        self.environ = {
            **os.environ,
            "CORPUS_BACKFILL_STATE": str(self.state.root),
            "DEADLY_TRACE": str(self.died),
        }

    def drive(
        self, *options: str, seconds: float = RUN_SECONDS, closed: str = "", **environ: str
    ) -> subprocess.Popen[bytes]:
        words = [*options, "--key", "k", str(HERE / "witness.py"), str(self.trace), str(seconds)]
        return subprocess.Popen(
            ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, str(HERE / "drive.py"), *words],
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def manage(self, *words: str) -> list[str]:
        program = [sys.executable, "-m", "corpus_backfill_plugin", "runs", *words]
        try:
            done = subprocess.run(
                program, env=self.environ, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS
            )
        except subprocess.TimeoutExpired:
            return [f"runs {words[0]} did not answer"]
        bad = done.returncode != 0 or "unexpected" in done.stderr or not done.stdout + done.stderr
        return [f"runs {words[0]} ended with {done.returncode}: {done.stderr}"] if bad else []

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Look at the runs as every command does: bringing them to their true state first."""
        for folder in (self.state.root, self.state.runs, self.state.locks):
            folder.mkdir(mode=0o700, exist_ok=True)
        with Ledger(self.state.ledger) as ledger:
            recover(self.state, ledger)
            yield ledger

    def records(self) -> list[RunRecord]:
        with self.ledger() as ledger:
            return [r for r in ledger.select() if str(self.trace) in r.arguments]

    def record_of_first(self) -> RunRecord:
        with self.ledger() as ledger:
            found = ledger.get(1)
        assert found is not None
        return found

    def folder(self) -> RunFolder | None:
        found = next(iter(self.state.runs.glob("[0-9]")), None) if self.state.runs.is_dir() else None
        return RunFolder(found, "") if found else None

    def pids(self) -> dict[str, int]:
        folder = self.folder()
        process = folder.process() if folder else None
        return {"supervisor": process.supervisor, "script": process.pid} if process else {}

    def began(self) -> list[int]:
        return [int(line.split()[1]) for line in self._lines() if line.startswith("begin")]

    def ended(self) -> bool:
        return any(line.startswith("end") for line in self._lines())

    def overlaps(self) -> bool:
        words = [line.split()[0] for line in self._lines()]
        return words != ["begin", "end"] * (len(words) // 2)

    def _lines(self) -> list[str]:
        return self.trace.read_text().splitlines() if self.trace.exists() else []

    def judge(self, killed: set[str]) -> Verdict:
        """Return how many runs were lost, and what was wrong, once nothing moves any more.

        Args:
            killed: what was killed; `named` when that was at a named point, which must have been reached.
        """
        wrong = [*self._unseen(), *self._unsettled()]
        if "named" in killed and not self.died.exists():
            wrong.append("the kill did not happen")
        rows, began = self.records(), self.began()
        if len(began) > 1 or len(rows) > 1:
            wrong.append(f"run {len(began)} times, {len(rows)} records")
        if began and not rows:
            return 1, wrong
        if rows and (problem := self._untrue(rows[0], killed)):
            wrong.append(f"{problem}: {rows[0].state} {rows[0].exit_code} {rows[0].signal} {rows[0].reason}")
        if self._integrity() != "ok":
            wrong.append("the ledger is damaged")
        if (again := self._again()) != CODE:
            wrong.append(f"the next run ended with {again}")
        return 0, wrong

    def _unseen(self) -> list[str]:
        if not self._script_lives():
            return []
        states = [row.state for row in self.records()]
        return [f"a script ran unseen: {states}"] if self._script_lives() and states != ["running"] else []

    def _unsettled(self) -> list[str]:
        until = time.monotonic() + SETTLE_SECONDS
        while any(row.state == "running" for row in self.records()) and time.monotonic() < until:
            time.sleep(0.02)
        return ["a script outlived its run"] if self._script_lives() else []

    def _script_lives(self) -> bool:
        return any(_lives(pid) for pid in self.began())

    def _untrue(self, row: RunRecord, killed: set[str]) -> str:
        """Return what the record says that the trace does not."""
        if expected := EXPECTED.intersection(killed):
            return "" if row.state in expected and row.exit_code == 0 and self.ended() else "not as expected"
        whole = row.state == "failed" and row.exit_code == CODE
        if whole:
            return "" if self.ended() else "an end that was not reached"
        if not self.began():
            never = row.state in {"lost", "failed"} and row.exit_code is None
            return "" if never else "a start that was none"
        if "supervisor" in killed and row.state == "lost":
            return ""
        if killed & {"script", "uv"} and row.state == "failed" and row.signal == signal.SIGKILL:
            return ""
        return "not what happened"

    def _integrity(self) -> str:
        with sqlite3.connect(self.state.ledger) as db:
            found = str(db.execute("PRAGMA integrity_check").fetchone()[0])
        db.close()
        return found

    def _again(self) -> int:
        self.trace = self.root / "again"
        return self.drive(seconds=0).wait(60)

    def close(self) -> None:
        if self._mount:
            subprocess.run(["umount", "--lazy", str(self.state.root)], check=True)
        for _ in range(100):
            shutil.rmtree(self.root, ignore_errors=True)
            if not self.root.exists():
                return
            time.sleep(0.1)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


CLI_POINTS = {
    "before the record": "agent.ledger:Ledger.begin:before",
    "inside the record's transaction": "agent.folder:RunFolder.make:after",
    "after the record": "agent.launch:start:before",
    "after the start": "agent.link:Link.wait_for_start:before",
    "after the start was heard": "runs.viewer:Watcher.watch:before",
    "after the script's end": "agent.launch:finish:before",
    "before the end is written": "agent.ledger:Ledger.finish:before",
    "after the end is written": "agent.ledger:Ledger.finish:after",
}
SUPERVISOR_POINTS = {
    "before the script": "start:before",
    "before its note of the process": "introduce:before",
    "after its note of the process": "introduce:after",
    "after the start": "wait:before",
    "between the script's end and its note": "note:before",
    "after its note of the end": "let_go:before",
    "when all is noted": "leave:before",
}
FINISHER_POINTS = {
    "at its start": "finisher:agent.finish:conclude:before",
    "before the end is written": "finisher:agent.ledger:Ledger.finish:before",
    "after the end is written": "finisher:agent.ledger:Ledger.finish:after",
}


CLOSED = ("<&-", ">&-", "2>&-", "<&- >&- 2>&-")


def kill_cli(place: Place, point: str) -> Verdict:
    place.drive("--die", point).wait(60)
    return place.judge({"cli", "named"})


def kill_supervisor(place: Place, point: str) -> Verdict:
    """Kill the supervisor at `point`, with the CLI watching."""
    place.drive("--supervisor", str(HERE / "deadly.py"), DEADLY_POINT=point).wait(60)
    # Once the end is noted, it must be known.
    unsure = set() if point in {"let_go:before", "leave:before"} else {"supervisor"}
    return place.judge(unsure | {"named"})


def kill_finisher(place: Place, point: str) -> Verdict:
    place.drive("--detach", "--supervisor", str(HERE / "deadly.py"), DEADLY_POINT=point).wait(60)
    return place.judge({"named"})


def kill_in_output(place: Place, *victims: str) -> Verdict:
    """Kill `victims` while the script prints; with `uv` the script runs below uv, which is killed."""
    below = ("--program=uv", "--program=run", "--program=--no-project", "--program=python")
    options = below if "uv" in victims else ()
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cli = place.drive(*options, PATH=tools)
    _wait(place.began)
    _kill(place, cli, victims)
    return place.judge(set(victims))


def kill_at_random(place: Place, generator: random.Random) -> Verdict:
    """Kill one of the processes, or all, at any time between before the record and after the end."""
    moment = generator.uniform(0, 1.0)
    victims = generator.choice([("cli",), ("supervisor",), ("script",), ("cli", "supervisor", "script")])
    cli = place.drive()
    time.sleep(moment)
    _kill(place, cli, victims)
    verdict = place.judge(set(victims))
    return verdict[0], [f"{victims} at {moment:.3f}: {note}" for note in verdict[1]]


def kill_prune(place: Place, point: str) -> Verdict:
    for _ in range(2):
        place.drive(seconds=0).wait(60)
    goes_on = place.drive("--detach", seconds=120)
    goes_on.wait(60)
    first = _prune(place, point)
    wrong = [] if first == -signal.SIGKILL else [f"the kill did not happen: {first}"]
    second = _prune(place, "")
    if second != 0:
        wrong.append(f"the next prune ended with {second}")
    left = sorted(path.name for path in place.state.runs.iterdir())
    rows = [(row.number, row.state) for row in place.records()]
    if left != ["3"] or rows != [(3, "running")]:
        wrong.append(f"left: {left} {rows}")
    os.kill(place.pids()["script"], signal.SIGKILL)
    _wait(lambda: all(row.state != "running" for row in place.records()))
    return 0, wrong


def _prune(place: Place, point: str) -> int:
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import deadly\n"
        f"if {point!r}: import corpus_backfill_plugin.agent.recover; deadly.die_at({point!r})\n"
        "from corpus_backfill_plugin.cli import backfill\n"
        "backfill(['runs', 'prune', '--older-than', '0s'])"
    )
    words = [sys.executable, "-c", code]
    return subprocess.run(words, env=place.environ, check=False, capture_output=True).returncode


PRUNE_POINTS = {
    "before the rows go": "agent.ledger:Ledger.forget:before",
    "after the rows went": "agent.ledger:Ledger.forget:after",
    "after folders were set aside": "agent.recover:_set_aside:after",
    "while folders are removed": "agent.recover:shutil.rmtree:before",
}


def start_many(place: Place, count: int, kind: str) -> Verdict:
    same = kind == "all the same"
    keys = ["k" if same else f"k{n}" for n in range(count)]
    script = [str(HERE / "witness.py"), str(place.trace), "1" if same else "0"]
    started = [
        subprocess.Popen(
            [sys.executable, str(HERE / "drive.py"), "--key", key, *script],
            env=place.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for key in keys
    ]  # fmt: skip
    said = {process.communicate(timeout=120)[1] for process in started}
    codes = sorted(process.returncode for process in started)
    rows, began = place.records(), place.began()
    held = count - len(began) if same else 0
    wrong = [] if codes == [CODE] * len(began) + [75] * held else [f"exit codes {codes}: {said}"]
    if same and (not held or place.overlaps()):
        wrong.append("two of a kind ran at once")
    if any((row.state, row.exit_code) != ("failed", CODE) for row in rows):
        wrong.append("a state that is not true")
    if len(rows) > len(began):
        wrong.append("a record of a run that was none")
    return max(0, len(began) - len(rows)), wrong


SMALL = {"full disk": "size=1m", "no free inode": "size=8m,nr_inodes=50"}


def fill_at_stop(place: Place, what: str, how: str) -> Verdict:
    """Leave no space where runs are kept, stop a run by `how`, look at it, then make space again."""
    options = {"runs stop": ["--detach"], "timeout": ["--timeout=2"]}.get(how, [])
    cli = place.drive(*options, seconds=60, WITNESS_OBEYS="1")
    _wait(place.began)
    if how == "runs stop":
        cli.wait(60)
    _fill(place.state.root, what)
    wrong = place.manage("list")
    if how == "Ctrl-C":
        cli.send_signal(signal.SIGINT)
    elif how == "runs stop":
        wrong += place.manage("stop")
    if code := cli.wait(60):
        wrong.append(f"the CLI ended with {code}")
    wrong += [*place.manage("list"), *place.manage("show"), *_refused(place)]
    for path in place.state.root.glob("fill*"):
        path.unlink()
    lost, untrue = place.judge({"stopped"})
    return lost, wrong + untrue


def _refused(place: Place) -> list[str]:
    """Return what is wrong with how a start is refused where it can't be recorded."""
    words = [sys.executable, str(HERE / "drive.py"), str(HERE / "witness.py"), str(place.root / "none"), "0"]
    done = subprocess.run(words, env=place.environ, capture_output=True, text=True, check=False, timeout=60)
    told = done.returncode == 1 and "Error: " in done.stderr and "Traceback" not in done.stderr
    return [] if told else [f"a start without space ended with {done.returncode}: {done.stderr}"]


def _fill(root: Path, what: str) -> None:
    with suppress(OSError):
        if what == "full disk":
            with (root / "fill").open("wb", buffering=0) as fill:
                while True:
                    fill.write(bytes(512))
        for number in range(1000):
            (root / f"fill{number}").touch()


def lose_lines(place: Place, how: Callable[[Path], None], who: str) -> Verdict:
    """Take the log of a run away, in which more items failed than may: `who` has read it or has not."""
    options = ["--max-failed=2", *(["--detach"] if who == "detached" else [])]
    cli = place.drive(*options, seconds=LOOK_SECONDS + 2, WITNESS_FAILS="3")
    _wait(place.began)
    time.sleep(LOOK_SECONDS)
    if who != "detached":
        _wait(lambda: place.records()[0].failures)
    if who == "abandoned":
        cli.kill()
    how(place.state.run_folder(1) / "stdout.log")
    code = cli.wait(60)
    lost, wrong = place.judge({"unverified" if who == "detached" else "failed"})
    if who == "watched" and code != 1:
        wrong.append(f"the CLI ended with {code}")
    return lost, wrong


def take_away_folder(place: Place) -> Verdict:
    """Take the folder of a detached run away: only that is known of it afterwards."""
    place.drive("--detach").wait(60)
    _wait(place.began)
    place.state.run_folder(1).rename(place.root / "taken")
    lost, wrong = place.judge({"supervisor"})
    if "was taken away" not in (reason := place.record_of_first().reason):
        wrong.append(f"the reason is {reason}")
    return lost, wrong


def stop_finisher(place: Place, point: str) -> Verdict:
    """Have the finisher of a detached run stopped (SIGSTOP) at `point`: nobody may wait for it."""
    words = ("--detach", "--supervisor", str(HERE / "deadly.py"))
    place.drive(*words, DEADLY_POINT=point, DEADLY_SIGNAL="SIGSTOP").wait(60)
    _wait(place.died.exists)
    try:
        wrong = [*place.manage("list"), *place.manage("show")]
        lost, untrue = place.judge({"named"})
        return lost, wrong + untrue
    finally:
        if pid := place.pids().get("supervisor"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def close_streams(place: Place, closed: str) -> Verdict:
    code = place.drive(closed=closed).wait(60)
    lost, wrong = place.judge(set())
    return lost, wrong + ([] if code == CODE else [f"the CLI ended with {code}"])


def _kill(place: Place, cli: subprocess.Popen[bytes], victims: tuple[str, ...]) -> None:
    known = place.pids() | {"cli": cli.pid}
    known["uv"] = known.get("script", 0)
    for victim in victims:
        if pid := known.get(victim):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    cli.wait(60)


def _wait(condition: Callable[[], object]) -> None:
    until = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.01)


def tried(how: Callable[..., Verdict], *arguments: Any, mount: str = "") -> Callable[[], Verdict]:  # noqa: ANN401
    """Return what tries a fault in a place of its own."""

    def once() -> Verdict:
        place = Place(mount)
        try:
            return how(place, *arguments)
        finally:
            place.close()

    return once


def plan(tries: int, each: int, many: int) -> list[Fault]:
    generator = random.Random(tries)  # noqa: S311  times to kill at, no secret

    def points(who: str, how: Callable[[Place, str], Verdict], names: dict[str, str]) -> list[Fault]:
        return [(f"kill -9 of {who} {name}", each, tried(how, point)) for name, point in names.items()]

    def in_output(who: str, *victims: str) -> Fault:
        return (f"kill -9 of {who}", each, tried(kill_in_output, *victims))

    return [
        *points("the CLI", kill_cli, CLI_POINTS),
        *points("the supervisor", kill_supervisor, SUPERVISOR_POINTS),
        *points("the finisher", kill_finisher, FINISHER_POINTS),
        in_output("the CLI during output", "cli"),
        in_output("the supervisor during output", "supervisor"),
        in_output("the script during output", "script"),
        in_output("all three during output", "cli", "supervisor", "script"),
        in_output("uv between supervisor and script", "uv"),
        *points("prune", kill_prune, PRUNE_POINTS),
        ("kill -9 of any or all at a random time", tries, tried(kill_at_random, generator)),
        *(
            (f"{what} at a stop by {how}", each, tried(fill_at_stop, what, how, mount=mount))
            for what, mount in SMALL.items()
            for how in ("Ctrl-C", "runs stop", "timeout")
        ),
        *(
            (f"log {what}, its run {who}", each, tried(lose_lines, how, who))
            for what, how in {"truncated": lambda log: os.truncate(log, 0), "removed": Path.unlink}.items()
            for who in ("watched", "abandoned", "detached")
        ),
        ("run folder taken away", each, tried(take_away_folder)),
        *(
            (f"finisher stopped {name}", each, tried(stop_finisher, point))
            for name, point in FINISHER_POINTS.items()
        ),
        *((f"streams closed ({how})", each, tried(close_streams, how)) for how in CLOSED),
        *(
            (f"{many} runs started at once, {kind}", 1, tried(start_many, many, kind))
            for kind in ("no two alike", "all the same")
        ),
    ]


def _enter_own_mounts() -> None:
    """Begin again where small file systems can be mounted and go with the last process that sees them."""
    if "FAULTS_MOUNTS" in os.environ:
        return
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    words = ["unshare", "--mount", *own, sys.executable, *sys.argv]
    os.execvpe(words[0], words, os.environ | {"FAULTS_MOUNTS": "own"})  # noqa: S606  this program again


def table(tallies: list[Tally]) -> str:
    rows = [f"| {t.fault} | {t.tries} | {t.lost} | {t.wrong} |" for t in tallies]
    tries, lost, wrong = (sum(getattr(t, name) for t in tallies) for name in ("tries", "lost", "wrong"))
    total = f"| **all** | {tries} | {lost} | {wrong} |"
    return "\n".join(["| fault | tries | lost | wrong |", "|---|---:|---:|---:|", *rows, total])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=200, help="random kills")
    parser.add_argument("--each", type=int, default=5, help="tries of each named point")
    parser.add_argument("--many", type=int, default=50, help="runs started at once")
    parser.add_argument("--jobs", type=int, default=2, help="tries at the same time")
    parser.add_argument("--only", default="", help="faults whose name has this in it")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOC.name}")
    chosen = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
    chosen_faults = [
        fault for fault in plan(chosen.tries, chosen.each, chosen.many) if chosen.only in fault[0]
    ]
    if any(name.startswith(tuple(SMALL)) for name, _, _ in chosen_faults):
        _enter_own_mounts()
    tallies = []
    with ThreadPoolExecutor(chosen.jobs) as pool:
        trials = [
            (name, [pool.submit(try_it) for _ in range(count)]) for name, count, try_it in chosen_faults
        ]
        for name, started in trials:
            tally = Tally(name)
            for trial in started:
                tally.count(trial.result())
            tallies.append(tally)
            for note in tally.notes:
                sys.stderr.write(f"{name}: {note}\n")
    sys.stdout.write(f"{json.dumps([vars(t) for t in tallies]) if chosen.json else table(tallies)}\n")
    if chosen.write:
        head, _, rest = DOC.read_text().partition(BEGIN)
        DOC.write_text(f"{head}{BEGIN}\n{table(tallies)}\n{END}{rest.partition(END)[2]}")
    return int(any(t.lost or t.wrong for t in tallies))


if __name__ == "__main__":
    sys.exit(main())
