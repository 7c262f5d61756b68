"""The server app's commit is asked for, and nothing that its repository configures runs for that."""

import os
import subprocess
from pathlib import Path

import pytest

from corpus_backfill_plugin.agent.commit import server_commit

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always")


def git(folder: Path, *words: str) -> str:
    """Run git as the repository's owner."""
    done = subprocess.run(
        ["git", *IDENTITY, *words], cwd=folder, check=True, capture_output=True, text=True, env=os.environ
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A server app under git, with a submodule in it."""
    for name in ("other", "app"):
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
        (folder / "a.txt").write_text("one\n")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "first")
    git(folder, "submodule", "add", "-q", str(tmp_path / "other"), "sub")
    git(folder, "commit", "-qm", "second")
    return folder


def commit(folder: Path) -> str | None:
    return server_commit(folder)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a mark, and its environment in it, whoever runs it."""
    path = tmp_path / "trap"
    path.write_text(f"#!/bin/sh\nenv >> {tmp_path}/sprung\ncat\n")
    path.chmod(0o755)
    return path


def touch(folder: Path) -> None:
    """Make git look into a file anew, whose content is as it was."""
    path = folder / "a.txt"
    path.write_text(path.read_text())
    os.utime(path, (1, 1))


def filters(folder: Path, trap: Path, name: str) -> None:
    (folder / ".gitattributes").write_text("* filter=evil diff=evil\n")
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "-qm", "attributes")
    for key in ("clean", "smudge", "process"):
        git(folder, "config", f"filter.{name}.{key}", str(trap))
    git(folder, "config", f"filter.{name}.required", "true")
    git(folder, "config", "diff.evil.textconv", str(trap))
    if name != "evil":
        (folder / ".gitattributes").write_bytes(os.fsencode(f"* filter={name}\n"))
    touch(folder)


def missing_objects(folder: Path, trap: Path) -> None:
    """Make the tree of HEAD one that has to be fetched, by a program."""
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    for key, value in {
        "core.repositoryformatversion": "1", "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{trap}", "protocol.ext.allow": "always", "protocol.allow": "always",
    }.items():  # fmt: skip
        git(folder, "config", key, value)
    (folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()


def included(folder: Path, trap: Path) -> None:
    filters(folder, trap, "evil")
    config = folder / ".git" / "config"
    config.rename(folder / ".git" / "more")
    config.write_text("[include]\npath = more\n")


def hooks(folder: Path, trap: Path) -> Path:
    place = folder.parent / "hooks"
    place.mkdir()
    for name in ("post-index-change", "reference-transaction", "pre-commit"):
        (place / name).symlink_to(trap)
    touch(folder)
    return place


ATTACKS = {
    "filters": lambda folder, trap: filters(folder, trap, "evil"),
    "filters of a name with a sign": lambda folder, trap: filters(folder, trap, "ev=il"),
    "filters of a name in Latin-1": lambda folder, trap: filters(folder, trap, os.fsdecode(b"ev\xe9l")),
    "filters without a name": lambda folder, trap: filters(folder, trap, ""),
    "included filters": included,
    "fsmonitor": lambda folder, trap: git(folder, "config", "core.fsmonitor", str(trap)),
    "hooks": lambda folder, trap: git(folder, "config", "core.hooksPath", str(hooks(folder, trap))),
    "filters of a submodule": lambda folder, trap: filters(folder / "sub", trap, "evil"),
    "fsmonitor of a submodule": lambda folder, trap: git(
        folder / "sub", "config", "core.fsmonitor", str(trap)
    ),
    "a missing object": missing_objects,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_the_repository_runs(
    attack: str, repository: Path, trap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(repository, "rev-parse", "HEAD")
    ATTACKS[attack](repository, trap)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:geheim@h/d")
    (tmp_path / "sprung").unlink(missing_ok=True)
    said = commit(repository) or ""
    assert not (tmp_path / "sprung").exists()
    assert said.removesuffix("+dirty") in {head, git(repository, "rev-parse", "HEAD")}


def test_the_attacks_would_run_otherwise(repository: Path, trap: Path, tmp_path: Path) -> None:
    filters(repository, trap, "evil")
    git(repository / "sub", "config", "core.fsmonitor", str(trap))
    (tmp_path / "sprung").unlink(missing_ok=True)
    subprocess.run(["git", "status"], cwd=repository, check=False, capture_output=True)
    assert (tmp_path / "sprung").exists()


def test_git_gets_no_secret(
    repository: Path, trap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "git").symlink_to(trap)
    for name in ("DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "GIT_DIR"):
        monkeypatch.setenv(name, "geheim")
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    commit(repository)
    assert "PATH" in (tmp_path / "sprung").read_text()
    assert "geheim" not in (tmp_path / "sprung").read_text()


def test_a_change_is_seen_and_an_old_time_is_none(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    touch(repository)
    assert commit(repository) == head
    (repository / "a.txt").write_text("two\n")
    assert commit(repository) == f"{head}+dirty"
    assert commit(repository.parent) is None


def test_a_state_that_git_can_not_tell_is_not_a_clean_one(repository: Path) -> None:
    (repository / ".git" / "index").write_bytes(b"damaged")
    assert (commit(repository) or "").endswith("+dirty")
