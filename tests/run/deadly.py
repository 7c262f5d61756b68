"""The real supervisor and finisher, killed with SIGKILL at a point that the environment names.

Given to the CLI in place of `supervisor.py`. `DEADLY_POINT` is `METHOD:before` or `METHOD:after` of the
supervisor's, or `finisher:MODULE:NAME:WHEN`, which lets it become the finisher and kills that.
`DEADLY_TRACE` is a file that is there afterwards if the point was reached. `DEADLY_SIGNAL` names another
signal than SIGKILL.
"""

import functools
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SUPERVISOR = HERE.parent.parent / "corpus_backfill_plugin" / "agent" / "supervisor.py"


def die() -> None:
    if trace := os.environ.get("DEADLY_TRACE"):
        Path(trace).touch()
    os.kill(os.getpid(), getattr(signal, os.environ.get("DEADLY_SIGNAL", "SIGKILL")))


def supervise(point: str) -> None:
    spec = importlib.util.spec_from_file_location("supervisor", SUPERVISOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    method, _, when = point.partition(":")
    if method == "finisher":
        module.Supervisor.finish = become_finisher(when)
    else:
        make_deadly(module.Supervisor, method, when)
    module.main()


def make_deadly(owner: Any, name: str, when: str) -> None:  # noqa: ANN401  a module or a class
    """Have a function die before or after its work."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def deadly(*args: Any, **more: Any) -> Any:  # noqa: ANN401  stands for any function
        if when == "after":
            original(*args, **more)
        die()
        return None if when == "after" else original(*args, **more)  # it was stopped, and goes on

    setattr(owner, name, deadly)


def become_finisher(point: str) -> Callable[[Any], None]:
    """Return a method that turns a supervisor into a finisher that dies at `point`."""

    def finish(supervisor: Any) -> None:  # noqa: ANN401  a module loaded by path has no type
        for number in (supervisor.request, supervisor.code):
            os.set_inheritable(number, True)  # noqa: FBT003  positional-only
        words = [sys.executable, __file__, "--finisher", point, supervisor.folders]
        words += [supervisor.folder, str(supervisor.request)]
        os.execv(sys.executable, words)  # noqa: S606  this file again

    return finish


def die_at(point: str) -> None:
    """Arrange for SIGKILL before or after a function: `MODULE:NAME:before`, in this process."""
    module_name, name, when = point.split(":")
    *path, last = name.split(".")
    owner: Any = import_module(f"corpus_backfill_plugin.{module_name}")
    make_deadly(functools.reduce(getattr, path, owner), last, when)


def finish(point: str, folders: str, words: list[str]) -> int:
    sys.path[:0] = folders.splitlines()
    from corpus_backfill_plugin.agent.finish import main

    die_at(point)
    return main(words)


if __name__ == "__main__":
    if sys.argv[1] == "--finisher":
        sys.exit(finish(sys.argv[2], sys.argv[3], sys.argv[4:]))
    supervise(os.environ["DEADLY_POINT"])
