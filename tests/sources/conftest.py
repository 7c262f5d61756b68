"""Specs in every place where they can come from, and packages installed by their metadata alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cli, Server

SPEC = 'spec-version = 1\nscript = "backfill_version_0.py"\n'

Install = Callable[..., "Path"]
Listed = Callable[..., dict[str, list[dict[str, Any]]]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install a package into the folder that `PYTHONPATH` is to name: metadata, and files by their paths."""

    def make(
        name: str,
        group: str,
        points: dict[str, str],
        files: dict[str, str] | None = None,
        folder: str = "site",
    ) -> Path:
        site = tmp_path / folder
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for path, text in (files or {}).items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
        return site

    return make


@pytest.fixture
def listed(cli: Cli, server: Server) -> Listed:
    """Return what `specs list --json` says, by name."""

    def ask(*words: str, env: dict[str, str] | None = None) -> dict[str, list[dict[str, Any]]]:
        outcome = cli(
            "specs",
            "list",
            "--json",
            *words,
            env={"CORPUS_SERVER_APP_PATH": str(server.folder)} | (env or {}),
        )
        assert outcome.code == 0, outcome.stderr
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in json.loads(outcome.stdout):
            rows.setdefault(row["name"], []).append(row)
        return rows

    return ask
