"""The state folder: where it is, and whose."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import platformdirs
import pytest

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.state import open_state, state_root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", [None, 0o755], ids=["missing", "too open"])
def test_it_is_where_the_variable_says_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    folder = tmp_path / "here"
    if mode:
        folder.mkdir()
        folder.chmod(mode)
    monkeypatch.setenv("CORPUS_BACKFILL_STATE", str(folder))
    assert open_state().root == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_is_the_users_own_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORPUS_BACKFILL_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert tmp_path in state_root().parents or (tmp_path / "home") in state_root().parents


@pytest.mark.parametrize("named", ["", "relative", "/srv/state"])
def test_the_users_own_is_where_other_programs_have_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.delenv("CORPUS_BACKFILL_STATE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", named)
    assert state_root() == platformdirs.user_state_path("corpus-backfill")


def test_another_owners_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUS_BACKFILL_STATE", str(tmp_path / "other"))
    open_state()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(AgentError, match="belongs to"):
        open_state()


def test_a_file_in_its_place_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CORPUS_BACKFILL_STATE", str(tmp_path / "file"))
    with pytest.raises(AgentError, match="can't be used") as told:
        open_state()
    assert "--no-record" in told.value.hint
