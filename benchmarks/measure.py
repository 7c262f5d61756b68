"""Programs run in turns, and what one run of a program opens and imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
PLAIN = TESTS / "plain" / "server"
SERVER = ROOT / "examples" / "corpus-server-app"
ENTRY_POINT = "corpus_backfill_plugin.cli:backfill"

# Runs a module as a program and writes what it opened and imported into the file named first.
_OBSERVED = """
import json, os, runpy, sys
report = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT)
module = sys.argv.pop(1)
specs = []
def listen(event, args):
    if event == "open" and isinstance(args[0], (str, os.PathLike)) and os.fspath(args[0]).endswith(".toml"):
        specs.append(os.fspath(args[0]))
sys.addaudithook(listen)
code = 0
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except SystemExit as ended:
    code = ended.code or 0
os.write(report, json.dumps({"specs": specs, "modules": sorted(sys.modules)}).encode())
sys.exit(code)
"""


@dataclass(frozen=True)
class Program:
    """A program that can be run over and over.

    Attributes:
        words: its argument list.
        environ: its whole environment.
        folder: where it runs.
        codes: how it may end.
    """

    words: tuple[str, ...]
    environ: Mapping[str, str]
    folder: Path = ROOT
    codes: tuple[int, ...] = (0,)

    def seconds(self) -> float:
        """Run it and return how long it took.

        Raises:
            RuntimeError: it ended as it must not; the message has its last words.
        """
        return self._run()[0]

    def processor_seconds(self) -> float:
        """Run it and return how much of a processor's time it took, which a busy machine changes less.

        Raises:
            RuntimeError: as `seconds`.
        """
        return self._run()[1]

    def _run(self) -> tuple[float, float]:
        with tempfile.TemporaryFile() as said:
            begun = time.perf_counter()
            process = subprocess.Popen(  # noqa: S603  an argument list of ours
                self.words,
                env=self.environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            _, status, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in self.codes:
                said.seek(0)
                raise RuntimeError(
                    f"{' '.join(self.words)} ended with {process.returncode}: {said.read()[-500:]!r}"
                )
        return took, usage.ru_utime + usage.ru_stime


def python_module(module: str, *words: str, environ: Mapping[str, str]) -> Program:
    """Return the program `python -m MODULE WORDS`."""
    return Program((sys.executable, "-m", module, *words), environ)


@dataclass(frozen=True)
class Observed:
    """What one run of a program opened and imported: paths of specs, one for each time, and modules."""

    specs: tuple[str, ...]
    modules: frozenset[str]


def observe(program: Program) -> Observed:
    """Run a program made by `python_module` once and return what it opened and imported."""
    python, dash_m, module, *words = program.words
    if dash_m != "-m":
        raise ValueError(program.words)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        Program((python, "-c", _OBSERVED, str(report), module, *words), program.environ).seconds()
        said = json.loads(report.read_text())
    return Observed(tuple(said["specs"]), frozenset(said["modules"]))


def minima(measured: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Measure each `rounds` times, in turns, each round in the other direction; return the shortest.

    In seconds. What else the machine does only ever adds to a time, so the shortest is nearest to the cost;
    and in turns, as a busy minute then falls on all of them.
    """
    return {name: min(values) for name, values in in_turns(measured, rounds).items()}


def medians(measured: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Measure as `minima` does; return what an operator waits for most often."""
    return {name: median(values) for name, values in in_turns(measured, rounds).items()}


def in_turns(measured: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each `rounds` times, in turns, each round in the other direction."""
    times: dict[str, list[float]] = {name: [] for name in measured}
    for function in measured.values():
        function()  # once unmeasured: compiled modules, warm caches
    for turn in range(rounds):
        names = list(measured)
        for name in names if turn % 2 else reversed(names):
            times[name].append(measured[name]())
    return times


@dataclass(frozen=True)
class Bench:
    """One go of the benchmarks.

    Attributes:
        quick: fewer rounds and smaller sizes, to see that everything works.
        folder: for everything that is made.
        environ: the base of all environments: nothing of the machine's but PATH, and this checkout.
    """

    quick: bool
    folder: Path
    environ: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Make the folders that `environ` names."""
        home = self.folder / "home"
        home.mkdir()
        tools = (str(Path(sys.executable).parent), os.environ["PATH"])
        environ = {
            "PATH": os.pathsep.join(tools),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
            "CORPUS_BACKFILL_STATE": str(self.folder / "state"),
        }
        object.__setattr__(self, "environ", environ)

    def size(self, full: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.quick else full
