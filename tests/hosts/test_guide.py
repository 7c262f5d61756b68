"""The programs in docs/host-integration.md, run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hosts.answers import plain
from hosts.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.conftest import Register

GUIDE = (ROOT / "docs" / "host-integration.md").read_text()
PROGRAMS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, re.DOTALL))


def test_every_program_of_the_guide_is_found() -> None:
    assert len(PROGRAMS) == GUIDE.count("```python") == 6


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_mounts_the_plugin(
    environment: Mapping[str, str], register: Register, tmp_path: Path, name: str
) -> None:
    group = "corpus_client_cli.plugins"
    register(tmp_path, "corpus-backfill-plugin", group, {"backfill": "corpus_backfill_plugin.cli:backfill"})
    program = tmp_path / name
    program.write_text(PROGRAMS[name])

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, program, *words],
            env={**environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    listed = run("--help")
    assert listed.returncode == 0, listed.stderr
    assert "Look after the server" in listed.stdout
    assert "Fill in data for records" in plain(listed.stdout)
    wrong = run("backfill", "duration", "--media-type", "text")
    assert wrong.returncode == 2
    assert "'text' is not one of 'audio', 'video', 'both'" in plain(wrong.stderr)
    assert "Traceback" not in wrong.stderr
