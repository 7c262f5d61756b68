"""Kills and other faults, counted: `python tests/run/faults.py --tries 200 --write`.

After each the ledger must open, every script that began must have exactly one record, its state must
be what its own trace says, it must be seen while it runs, and a later run of the kind must start.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from corpus_backfill_plugin.agent.folder import RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.processes import start_time
from corpus_backfill_plugin.agent.records import RunRecord
from corpus_backfill_plugin.agent.recover import recover
from corpus_backfill_plugin.agent.state import State

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from tools import Kept, wait_until  # noqa: E402  of the folder above, which no program looks in by itself

DOC = HERE.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
CODE = 7
RUN_SECONDS = 0.3
ANSWER_SECONDS = 25.0
LOOK_SECONDS = 3.0
"""More than the supervisor lets pass between two looks at the lengths of the logs."""
EXPECTED = {"stopped", "unverified", "failed"}
"""States that a try may ask for, of a script that ended with 0."""
DRIVE, WITNESS = [sys.executable, str(HERE / "drive.py")], str(HERE / "witness.py")
DEADLY = ("--supervisor", str(HERE / "deadly.py"))

Verdict: TypeAlias = tuple[int, list[str]]
"""How many runs were lost in a try, and what was wrong."""


class Place(Kept):
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
        self.trace, self.died = self.root / "trace", self.root / "died"
        own = {"CORPUS_BACKFILL_STATE": str(self.state.root), "DEADLY_TRACE": str(self.died)}
        self.environ = os.environ | own

    def drive(
        self, *options: str, seconds: float = RUN_SECONDS, closed: str = "", **environ: str
    ) -> subprocess.Popen[bytes]:
        words = [*DRIVE, *options, "--key", "k", WITNESS, str(self.trace), str(seconds)]
        return subprocess.Popen(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *words], env=self.environ | environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def detach(self, *options: str, **environ: Any) -> None:  # noqa: ANN401  those of drive()
        self.drive("--detach", *options, **environ).wait(60)

    def call(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run Python to its end."""
        return subprocess.run(
            [sys.executable, *words], env=self.environ, capture_output=True, text=True, check=False,
            timeout=timeout,
        )  # fmt: skip

    def manage(self, *words: str) -> list[str]:
        try:
            done = self.call("-m", "corpus_backfill_plugin", "runs", *words, timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            return [f"runs {words[0]} did not answer"]
        bad = done.returncode != 0 or "unexpected" in done.stderr or not done.stdout + done.stderr
        return [f"runs {words[0]} ended with {done.returncode}: {done.stderr}"] if bad else []

    def records(self) -> list[RunRecord]:
        """Look at the runs as every command does: bringing them to their true state first."""
        for folder in (self.state.root, self.state.runs, self.state.locks):
            folder.mkdir(mode=0o700, exist_ok=True)
        with Ledger(self.state.ledger) as ledger:
            recover(self.state, ledger)
            return [r for r in ledger.select() if str(self.trace) in r.arguments]

    def pids(self) -> dict[str, int]:
        for path in self.state.runs.glob("[0-9]"):
            if process := RunFolder(path, "").process():
                return {"supervisor": process.supervisor, "script": process.pid}
        return {}

    def began(self) -> list[int]:
        return [int(pid) for word, pid in self._steps() if word == "begin"]

    def ended(self) -> bool:
        return any(word == "end" for word, _ in self._steps())

    def overlaps(self) -> bool:
        words = [word for word, _ in self._steps()]
        return words != ["begin", "end"] * (len(words) // 2)

    def _steps(self) -> list[list[str]]:
        lines = self.trace.read_text().splitlines() if self.trace.exists() else []
        return [line.split() for line in lines]

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
        if self.sql("PRAGMA integrity_check") != [("ok",)]:
            wrong.append("the ledger is damaged")
        self.trace = self.root / "again"
        if (again := self.drive(seconds=0).wait(60)) != CODE:
            wrong.append(f"the next run ended with {again}")
        return 0, wrong

    def _script_lives(self) -> bool:
        return any(map(start_time, self.began()))

    def _unseen(self) -> list[str]:
        if not self._script_lives():
            return []
        states = [row.state for row in self.records()]
        return [f"a script ran unseen: {states}"] if self._script_lives() and states != ["running"] else []

    def _unsettled(self) -> list[str]:
        with suppress(TimeoutError):
            self.wait_until_settled()
        return ["a script outlived its run"] if self._script_lives() else []

    def wait_until_settled(self) -> None:
        wait_until(lambda: all(row.state != "running" for row in self.records()))

    def _untrue(self, row: RunRecord, killed: set[str]) -> str:
        """Return what the record says that the trace does not."""
        if expected := EXPECTED.intersection(killed):
            return "" if row.state in expected and row.exit_code == 0 and self.ended() else "not as expected"
        if row.state == "failed" and row.exit_code == CODE:
            return "" if self.ended() else "an end that was not reached"
        if not self.began():
            never = row.state in {"lost", "failed"} and row.exit_code is None
            return "" if never else "a start that was none"
        lost = "supervisor" in killed and row.state == "lost"
        died = killed & {"script", "uv"} and row.state == "failed" and row.signal == signal.SIGKILL
        return "" if lost or died else "not what happened"

    def close(self) -> None:
        if self._mount:
            subprocess.run(["umount", "--lazy", str(self.state.root)], check=True)
        for _ in range(100):
            shutil.rmtree(self.root, ignore_errors=True)
            if not self.root.exists():
                return
            time.sleep(0.1)


CLI_POINTS = {
    "before the record": "agent.ledger:Ledger.begin:before",
    "inside the record's transaction": "agent.folder:RunFolder.make:after",
    "after the record": "agent.launch:start:before",
    "after the start": "agent.link:Link.wait_for_start:before",
    "after the start was heard": "runs.viewer:Watcher.watch:before",
    "after the script's end": "agent.finish:finish:before",
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
    place.drive(*DEADLY, DEADLY_POINT=point).wait(60)
    # Once the end is noted, it must be known.
    unsure = set() if point in {"let_go:before", "leave:before"} else {"supervisor"}
    return place.judge(unsure | {"named"})


def kill_finisher(place: Place, point: str) -> Verdict:
    place.detach(*DEADLY, DEADLY_POINT=point)
    return place.judge({"named"})


def kill_in_output(place: Place, victims: tuple[str, ...]) -> Verdict:
    """Kill `victims` while the script prints; with `uv` the script runs below uv, which is killed."""
    below = ("--program=uv", "--program=run", "--program=--no-project", "--program=python")
    options = below if "uv" in victims else ()
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cli = place.drive(*options, PATH=tools)
    wait_until(place.began)
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
    place.drive("--detach", seconds=120).wait(60)
    first, second = _prune(place, point), _prune(place, "")
    wrong = [] if first == -signal.SIGKILL else [f"the kill did not happen: {first}"]
    if second != 0:
        wrong.append(f"the next prune ended with {second}")
    left = sorted(path.name for path in place.state.runs.iterdir())
    rows = [(row.number, row.state) for row in place.records()]
    if left != ["3"] or rows != [(3, "running")]:
        wrong.append(f"left: {left} {rows}")
    os.kill(place.pids()["script"], signal.SIGKILL)
    place.wait_until_settled()
    return 0, wrong


def _prune(place: Place, point: str) -> int:
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import deadly\n"
        f"if {point!r}: import corpus_backfill_plugin.agent.recover; deadly.die_at({point!r})\n"
        "from corpus_backfill_plugin.cli import backfill\n"
        "backfill(['runs', 'prune', '--older-than', '0s'])"
    )
    return place.call("-c", code).returncode


PRUNE_POINTS = {
    "before the rows go": "agent.ledger:Ledger.forget:before",
    "after the rows went": "agent.ledger:Ledger.forget:after",
    "after folders were set aside": "agent.recover:_set_aside:after",
    "while folders are removed": "agent.recover:_remove:before",
}


def start_many(place: Place, count: int, kind: str) -> Verdict:
    same = kind == "all the same"
    keys = ["k" if same else f"k{n}" for n in range(count)]
    started = [
        subprocess.Popen(
            [*DRIVE, "--key", key, WITNESS, str(place.trace), "1" if same else "0"],
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
    wait_until(place.began)
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
    done = place.call(DRIVE[1], WITNESS, str(place.root / "none"), "0")
    refused = done.returncode == 1 and "Error: " in done.stderr and "Traceback" not in done.stderr
    return [] if refused else [f"a start without space ended with {done.returncode}: {done.stderr}"]


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
    wait_until(place.began)
    time.sleep(LOOK_SECONDS)
    if who != "detached":
        wait_until(lambda: place.records()[0].failures)
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
    place.detach()
    wait_until(place.began)
    place.state.run_folder(1).rename(place.root / "taken")
    lost, wrong = place.judge({"supervisor"})
    if "was taken away" not in (reason := place.record().reason):
        wrong.append(f"the reason is {reason}")
    return lost, wrong


def stop_finisher(place: Place, point: str) -> Verdict:
    """Have the finisher of a detached run stopped (SIGSTOP) at `point`: nobody may wait for it."""
    place.detach(*DEADLY, DEADLY_POINT=point, DEADLY_SIGNAL="SIGSTOP")
    wait_until(place.died.exists)
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


class Fault(NamedTuple):
    """What is done, how often, and by which function."""

    name: str
    tries: int
    how: Callable[..., Verdict]
    arguments: tuple[Any, ...] = ()
    mount: str = ""

    def once(self) -> Verdict:
        """Try it in a place of its own."""
        place = Place(self.mount)
        try:
            return self.how(place, *self.arguments)
        finally:
            place.close()


KILLS: tuple[tuple[str, Callable[..., Verdict], dict[str, Any]], ...] = (
    ("the CLI", kill_cli, CLI_POINTS),
    ("the supervisor", kill_supervisor, SUPERVISOR_POINTS),
    ("the finisher", kill_finisher, FINISHER_POINTS),
    ("the CLI", kill_in_output, {"during output": ("cli",)}),
    ("the supervisor", kill_in_output, {"during output": ("supervisor",)}),
    ("the script", kill_in_output, {"during output": ("script",)}),
    ("all three", kill_in_output, {"during output": ("cli", "supervisor", "script")}),
    ("uv", kill_in_output, {"between supervisor and script": ("uv",)}),
    ("prune", kill_prune, PRUNE_POINTS),
)
LOSSES = {"truncated": lambda log: os.truncate(log, 0), "removed": Path.unlink}


def plan(tries: int, each: int, many: int) -> Iterator[Fault]:
    for who, how, points in KILLS:
        for name, point in points.items():
            yield Fault(f"kill -9 of {who} {name}", each, how, (point,))
    generator = random.Random(tries)  # noqa: S311  times to kill at, no secret
    yield Fault("kill -9 of any or all at a random time", tries, kill_at_random, (generator,))
    for what, mount in SMALL.items():
        for by in ("Ctrl-C", "runs stop", "timeout"):
            yield Fault(f"{what} at a stop by {by}", each, fill_at_stop, (what, by), mount)
    for what, lose in LOSSES.items():
        for who in ("watched", "abandoned", "detached"):
            yield Fault(f"log {what}, its run {who}", each, lose_lines, (lose, who))
    yield Fault("run folder taken away", each, take_away_folder)
    for name, point in FINISHER_POINTS.items():
        yield Fault(f"finisher stopped {name}", each, stop_finisher, (point,))
    for closed in CLOSED:
        yield Fault(f"streams closed ({closed})", each, close_streams, (closed,))
    for kind in ("no two alike", "all the same"):
        yield Fault(f"{many} runs started at once, {kind}", 1, start_many, (many, kind))


def _enter_own_mounts() -> None:
    """Begin again where small file systems can be mounted and go with the last process that sees them."""
    if "FAULTS_MOUNTS" in os.environ:
        return
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    words = ["unshare", "--mount", *own, sys.executable, *sys.argv]
    os.execvpe(words[0], words, os.environ | {"FAULTS_MOUNTS": "own"})  # noqa: S606  this program again


def counted(fault: Fault, verdicts: list[Verdict]) -> dict[str, Any]:
    """Return one row of the table."""
    for _, notes in verdicts:
        sys.stderr.writelines(f"{fault.name}: {note}\n" for note in notes)
    lost, wrong = sum(verdict[0] for verdict in verdicts), sum(bool(notes) for _, notes in verdicts)
    return {"fault": fault.name, "tries": len(verdicts), "lost": lost, "wrong": wrong}


def table(rows: list[dict[str, Any]]) -> str:
    numbers = {name: sum(row[name] for row in rows) for name in ("tries", "lost", "wrong")}
    cells = [[str(cell) for cell in row.values()] for row in [*rows, {"fault": "**all**"} | numbers]]
    lines = ["| fault | tries | lost | wrong |", "|---|---:|---:|---:|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)])


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
    faults = [f for f in plan(chosen.tries, chosen.each, chosen.many) if chosen.only in f.name]
    if any(fault.mount for fault in faults):
        _enter_own_mounts()
    with ThreadPoolExecutor(chosen.jobs) as pool:
        started = [(fault, [pool.submit(fault.once) for _ in range(fault.tries)]) for fault in faults]
        rows = [counted(fault, [trial.result() for trial in trials]) for fault, trials in started]
    sys.stdout.write(f"{json.dumps(rows) if chosen.json else table(rows)}\n")
    if chosen.write:
        head, _, rest = DOC.read_text().partition(BEGIN)
        DOC.write_text(f"{head}{BEGIN}\n{table(rows)}\n{END}{rest.partition(END)[2]}")
    return int(any(row["lost"] or row["wrong"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
