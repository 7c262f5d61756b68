"""A script of a team's own, in a repository that knows nothing of a server's place."""

from functools import partial
from pathlib import Path

import pytest
from conftest import Cli, Outcome, Server

TRANSCRIBE = '''\
"""Write a transcript for recordings that have none."""

import argparse

MODELS = ["small", "large"]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="small", help="speech model")
    parser.add_argument("--beam-size", type=int, default=5, help="search width")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--limit", type=int, help="recordings at most")
    return parser


if __name__ == "__main__":
    print(vars(build_parser().parse_args()))
'''


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with a backfill folder and a script in it; no server app is configured."""
    folder = tmp_path / "repository"
    (folder / "backfill").mkdir(parents=True)
    (folder / "backfill/transcribe.py").write_text(TRANSCRIBE)
    return folder


@pytest.fixture
def in_repository(repository: Path, cli: Cli) -> partial[Outcome]:
    """Run `backfill specs` in the repository, without a server app."""
    return partial(cli, "specs", cwd=repository)


@pytest.fixture
def on_server(server: Server, cli: Cli) -> partial[Outcome]:
    """Run `backfill specs` for the server app."""
    return partial(cli, "--server-path", str(server.folder), "specs")
