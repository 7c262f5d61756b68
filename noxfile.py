"""The matrix of hosts: `nox -s hosts` tries the plugin in many versions of click, Typer and Python.

Each session writes what it found beside its environment; the table in docs/host-integration.md is made from
all that is there. Completion is driven in bash, in some sessions in zsh and fish too; install them first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["hosts"]

ROOT = Path(__file__).parent
GUIDE = ROOT / "docs" / "host-integration.md"
BEGIN, END = "<!-- hosts: begin -->", "<!-- hosts: end -->"
TOOLS = ["pexpect", "pytest", "pytest-timeout", "pytest-xdist", "click-plugins", "cloup", "rich-click"]
# Empty: the newest. Up to 0.25 Typer stands on click; 0.20 and later of those need 8.2.
VERSIONS = [
    ("8.1.8", "0.12.5"),
    ("8.1.8", "0.15.4"),
    ("8.2.2", "0.20.1"),
    ("8.3.1", "0.25.1"),
    ("8.1.8", "0.26.0"),
    ("8.3.1", "0.26.0"),
    ("8.2.2", ""),
    ("", ""),
]
# What a shell makes of completions depends on who prints them: Typer over click, Typer's own copy, click.
SHELLS = "bash zsh fish"
EVERY_SHELL = (("8.3.1", "0.25.1"), ("", ""))
ASK_VERSIONS = """
import json, platform
from importlib.metadata import version
print(json.dumps({"Python": platform.python_version()}
    | {name: version(name) for name in ("click", "typer", "rich-click", "cloup")}))
"""
COLUMNS = {
    "click_host": "Click",
    "rich_click_host": "rich-click",
    "cloup_host": "cloup",
    "typer_added_host": "Typer, added",
    "typer_lazy_host": "Typer, lazy",
}


def interpreters() -> list[str]:
    """Find the Python versions that start here, those that pyenv keeps off PATH too."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for folder in sorted(pyenv.glob("versions/3.*/bin")):
        if (folder / f"python{'.'.join(folder.parent.name.split('.')[:2])}").exists():
            os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    found = []
    for version in ("3.11", "3.12", "3.13", "3.14"):
        program = shutil.which(f"python{version}")
        if program and subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode == 0:  # noqa: S603  an interpreter
            found.append(version)
    return found


PYTHONS = interpreters()
COMBINATIONS = [
    nox.param(python, click, typer, id=f"py{python}-click{click or '-newest'}-typer{typer or '-newest'}")
    for python in PYTHONS
    for click, typer in (VERSIONS if python == PYTHONS[0] else VERSIONS[-1:])
]


@nox.session
@nox.parametrize(("python", "click", "typer"), COMBINATIONS)
def hosts(session: nox.Session, click: str, typer: str) -> None:
    """Try the plugin in every kind of host, with one set of versions."""
    name = session.name.partition("(")[2].rstrip(")")
    session.install(
        "-e", ".", f"click=={click}" if click else "click", f"typer=={typer}" if typer else "typer", *TOOLS
    )
    report = Path(session.create_tmp()) / "report.xml"
    session.run(
        *("pytest", "tests/hosts", "-q", "-n", "2", f"--junitxml={report}", *session.posargs),
        env={"HOSTS_MATRIX": "whole", "HOSTS_SHELLS": SHELLS if (click, typer) in EVERY_SHELL else "bash"},
        success_codes=[0, 1],
    )
    found = json.loads(str(session.run("python", "-c", ASK_VERSIONS, silent=True)))
    passed, failed = read(report)
    results = ROOT / ".nox" / "hosts-results"
    results.mkdir(parents=True, exist_ok=True)
    outcome = {"versions": found, "passed": passed, "failed": failed}
    (results / f"{name}.json").write_text(json.dumps(outcome, indent=1))
    write_table([json.loads(path.read_text()) for path in sorted(results.glob("*.json"))])
    if failed:
        session.error(f"{len(failed)} cases failed: {', '.join(failed[:5])}")


def read(report: Path) -> tuple[list[str], list[str]]:
    """Return the names of the tests that passed and of those that did not."""
    passed: list[str] = []
    failed: list[str] = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  pytest wrote it
        (failed if len(case) else passed).append(case.get("name", ""))
    return passed, failed


def write_table(outcomes: list[dict[str, dict[str, str]]]) -> None:
    """Put hosts x versions, and cases x hosts, between the two marks in the guide."""
    shells = SHELLS.split()
    head = ["Python", "click", "typer", "rich-click", "cloup", *COLUMNS.values(), *shells, "other"]
    rows = [head, ["---"] * len(head)]
    cases: dict[str, Counter[str]] = {}
    for outcome in sorted(outcomes, key=lambda each: [version_key(v) for v in each["versions"].values()]):
        good: Counter[str] = Counter()
        every: Counter[str] = Counter()
        for verdict in ("passed", "failed"):
            for name in outcome[verdict]:
                column, case = place(name, shells)
                every[column] += 1
                good[column] += verdict == "passed"
                if column in COLUMNS:
                    cases.setdefault(case, Counter())[column] += verdict == "passed"
        cells = [f"{good[key]}/{every[key]}" if every[key] else "-" for key in (*COLUMNS, *shells, "other")]
        rows.append([*outcome["versions"].values(), *cells])
    detail = [["Case", *COLUMNS.values()], ["---"] * (len(COLUMNS) + 1)]
    detail += [[case, *(str(count.get(key, "")) for key in COLUMNS)] for case, count in cases.items()]
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    more = "\n".join("| " + " | ".join(row) + " |" for row in detail)
    table = f"{BEGIN}\nCases passed of cases tried, by environment (`nox -s hosts`):\n\n{text}\n\n"
    table += f"Environments, of {len(outcomes)}, in which each case passes:\n\n{more}\n{END}"
    guide = GUIDE.read_text() if GUIDE.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = guide.partition(BEGIN)
    GUIDE.write_text(before + table + rest.partition(END)[2])


def place(test: str, shells: list[str]) -> tuple[str, str]:
    """Return the column and the case that a test of the matrix belongs to."""
    function, _, parameters = test.rstrip("]").partition("[")
    for shell in shells:
        if parameters.endswith(f"-{shell}"):
            return shell, ""
    plain = function.removeprefix("test_").replace("_", " ")
    if function == "test_the_reference_answers_as_expected":
        return "click_host", parameters
    # The real group's cases have the names of the probe's.
    group = "backfill, " if "backfill" in function else ""
    for host in COLUMNS:
        if parameters.startswith(f"{host}-"):
            return host, group + parameters.removeprefix(f"{host}-")
        if parameters == host or parameters.endswith(f"-{host}"):
            return host, f"{plain} {parameters.removesuffix(host).rstrip('-')}".strip()
    return "other", ""


def version_key(version: str) -> list[int]:
    """Order versions by number."""
    return [int(part) for part in version.split(".") if part.isdigit()]
