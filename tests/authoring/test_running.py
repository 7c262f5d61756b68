"""Parsers read by running a script up to its parsing: what is read, and each way in which that can fail."""

import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from authoring.reading import FRAMEWORKS, lines, shape

from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.parsers.model import ParserModel
from corpus_backfill_plugin.parsers.running import PROBE, probe_environment, read_by_running

PYTHON = (sys.executable,)


def run(folder: Path, text: str, timeout: float = 20) -> ParserModel:
    script = folder / "job.py"
    script.write_text(textwrap.dedent(text))
    return read_by_running(script, folder, PYTHON, timeout)


FAILURES = {
    "a module is missing": (
        "import nowhere_to_be_found.inside\n",
        r"^job\.py: imports 'nowhere_to_be_found', which the server's environment does not have$",
    ),
    "a name is missing": (
        "from os import nothing_like_it\n",
        r"^job\.py: an import fails: cannot import name 'nothing_like_it' from 'os'",
    ),
    "it ends before": (
        "import sys\nsys.exit('no database')\n",
        r"^job\.py: ended with no database before it read",
    ),
    "it never parses": ("print('all done')\n", r"^job\.py: ran to its end without reading a command line$"),
    "it fails": (
        "import os\n\nurl = os.environ['HOUSE_HOST']\n",
        r"^job\.py:3: KeyError before it read its command line: 'HOUSE_HOST'$",
    ),
    "it dies": (
        "import os, signal\nprint('half a li', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n",
        r"^job\.py: ended with code -9 before it read its command line: half a li$",
    ),
    "it leaves by the back door": ("import os\nos._exit(3)\n", r"^job\.py: ended with code 3 before"),
}


@pytest.mark.parametrize(("text", "message"), FAILURES.values(), ids=FAILURES)
def test_a_script_that_does_not_come_to_parse_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BackfillError) as caught:
        run(tmp_path, text)
    assert re.search(message, caught.value.problem)
    assert caught.value.hint


CHILD = """
import argparse, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("child").write_text(str(child.pid))
"""


@pytest.mark.parametrize("slow", [True, False])
def test_all_that_a_script_started_is_ended_with_it(tmp_path: Path, *, slow: bool) -> None:
    started = time.monotonic()
    if slow:
        with pytest.raises(
            BackfillError, match=r"^job\.py: did not come to read its command line within 1 s\n"
        ):
            run(tmp_path, CHILD + "time.sleep(600)\n", timeout=1)
        assert time.monotonic() - started < 15
    else:
        run(tmp_path, CHILD + "argparse.ArgumentParser().parse_args()\n")
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _runs(child):
            break
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in {"", "Z"}


ADDED = """
import argparse, os, sys, pathlib
p = argparse.ArgumentParser()
p.add_argument("--x", type=int, default=1)
"""


@pytest.mark.parametrize(
    "text",
    [
        r"""os.write(1, b'{"failed": "error"}\xff\x00' * 20000)
os.write(2, b"\x1b[2J" * 20000)
p.parse_args()""",
        "try:\n    p.parse_args()\nexcept Exception:\n    pass\npathlib.Path('ran').touch()",
        "p.parse_args()",
        "p.parse_known_args()",
        "p.parse_intermixed_args()",
    ],
    ids=[
        "what it prints is no part of the answer",
        "no except keeps it going",
        "args",
        "known",
        "intermixed",
    ],
)
def test_a_script_is_read_up_to_its_parsing(tmp_path: Path, text: str) -> None:
    assert [shape(option) for option in run(tmp_path, ADDED + text).options] == ["--x value int =1"]
    assert not (tmp_path / "ran").exists()


def test_the_script_finds_itself_as_if_started_by_hand(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("NAME = '--from-beside'\n")
    model = run(
        tmp_path,
        """
        import argparse, os, sys
        from beside import NAME
        assert __name__ == "__main__" and len(sys.argv) == 1 and os.path.basename(sys.argv[0]) == "job.py"
        p = argparse.ArgumentParser(description=f"{os.path.basename(os.getcwd())}")
        p.add_argument(NAME)
        p.parse_args()
        """,
    )
    assert [option.flag for option in model.options] == ["--from-beside"]
    assert model.description == tmp_path.name


def test_what_leads_to_data_or_opens_doors_is_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "DATABASE_URL PGPASSWORD PGHOST SENTRY_DSN API_KEY AWS_SECRET_ACCESS_KEY GH_TOKEN"
    for name in names.split():
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("REGION", "eu")
    model = run(
        tmp_path,
        """
        import argparse, os
        names = sorted(n for n in os.environ if os.environ[n] in ("x", "eu"))
        argparse.ArgumentParser(description=" ".join(names)).parse_args()
        """,
    )
    assert model.description == "REGION"
    assert "PATH" in probe_environment(os.environ)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackfillError, match=r"job\.py cannot be read"):
        read_by_running(tmp_path / "job.py", tmp_path, PYTHON)
    (tmp_path / "job.py").write_text("")
    with pytest.raises(BackfillError, match="'/nowhere/python' cannot be started: No such file or directory"):
        read_by_running(tmp_path / "job.py", tmp_path, ("/nowhere/python",))


def test_the_probe_needs_nothing_but_an_old_python() -> None:
    text = PROBE.read_text()
    imported = {line.split()[1] for line in text.splitlines() if line.startswith("import ")}
    assert imported <= set(sys.stdlib_module_names)
    assert "from __future__" not in text
    assert "match " not in text
    compile(text, str(PROBE), "exec", dont_inherit=True)
    __import__("ast").parse(text, feature_version=(3, 8))


def test_a_run_and_the_text_agree_on_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGION", "here")
    model = run(
        tmp_path,
        """
        import argparse, os
        p = argparse.ArgumentParser()
        p.add_argument("--region", default=os.environ.get("REGION", "eu"), help="default: %(default)s")
        p.parse_args()
        """,
    )
    (option,) = model.options
    assert shape(option) == "--region value str [os.environ.get('REGION', 'eu')]"
    assert option.help == "default: os.environ.get('REGION', 'eu')"
    assert option.line == 4


def test_a_default_that_only_the_text_can_tell_leaves_nothing_unsure(tmp_path: Path) -> None:
    model = run(
        tmp_path,
        """
        import argparse, sys
        p = argparse.ArgumentParser()
        p.add_argument("--out", type=argparse.FileType("w"), default=sys.stdout)
        p.parse_args()
        """,
    )
    assert [shape(option) for option in model.options] == ["--out value path [sys.stdout]"]
    assert model.unknowns == ()


def test_a_click_command_is_read_by_running_it() -> None:
    model = read_by_running(FRAMEWORKS / "click_command.py", FRAMEWORKS, PYTHON)
    assert model.library == "click"
    assert model.description == "Measure media.\n\nAll of them."
    assert model.epilog == "See the runbook."
    assert list(lines(model)) == [
        "--media-type value str {audio,video} ='audio'",
        "-w/--workers value int =4",
        "--rate value float",
        "--tag append str",
        "--gpu negatable =False --cpu",
        "--dry-run true",
        "-v/--verbose count =0",
        "--box value int nargs=2",
        "--bucket value str required",
        "--report value path",
        "paths value str nargs=*",
    ]
    workers = model.option("--workers")
    assert workers is not None
    assert (workers.min, workers.max) == (1, 64)
    assert model.complete


def test_a_click_group_gives_its_subcommands() -> None:
    model = read_by_running(FRAMEWORKS / "click_group.py", FRAMEWORKS, PYTHON)
    assert list(lines(model)) == [
        "--verbose true",
        "rebuild --batch-size value int =100",
        "drop-stale --days value int =30",
        "drop-stale name value str required",
    ]
    assert [sub.help for sub in model.subcommands] == ["Index anew.", "Drop what is old."]


def test_a_typer_script_is_read_by_running_it() -> None:
    model = read_by_running(FRAMEWORKS / "typer_app.py", FRAMEWORKS, PYTHON)
    assert model.library == "typer"
    assert model.description == "Tag pictures."
    assert list(lines(model)) == [
        "--mode value str {fast,slow} ='fast'",
        "--workers/-w value int =2",
        "--overwrite negatable =False --keep",
        "--dry-run true",
        "--limit value int",
        "source value path required",
    ]
