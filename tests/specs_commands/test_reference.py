"""`specs docs`, and the page in docs/ that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli, Server

PAGE = Path(__file__).resolve().parents[2] / "docs/command-reference.md"


@pytest.mark.parametrize("width", ["40", "80"])
def test_the_page_is_what_specs_docs_prints_at_each_width(cli: Cli, width: str) -> None:
    outcome = cli("specs", "docs", env={"COLUMNS": width})
    assert (outcome.code, outcome.stdout) == (0, PAGE.read_text(encoding="utf-8")), "run `make docs`"


def test_it_shows_what_the_servers_specs_declare(server: Server, cli: Cli) -> None:
    server.spec(
        "thing",
        'script = "media_duration.py"\nhelp = "Do | it."\nexamples = ["thing a"]\n'
        '[[option]]\nname = "x"\nhelp = "a | b"\nchoices = ["c", "d"]\n'
        '[[argument]]\nname = "file"\nrequired = true\n',
    )
    server.spec("veiled", 'script = "media_duration.py"\nhidden = true\n')
    page = cli("--server-path", str(server.folder), "specs", "docs").stdout
    assert "### `thing`\n\nDo | it.\n\nRuns `media_duration.py`. Spec: server.\n" in page
    assert "| argument | meaning |\n| --- | --- |\n| `FILE` | [required] |\n" in page
    assert "| `--x [c\\|d]` | a \\| b |" in page
    assert "```sh\nbackfill thing a\n```" in page
    assert "veiled" not in page
