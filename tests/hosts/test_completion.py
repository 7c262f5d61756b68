"""Tab, pressed in real shells: the same completions in every kind of host, and nothing on stderr."""

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pexpect
import pytest
from conftest import Server
from tools import ended

from hosts.conftest import HOSTS, LAZY, REFERENCE, WHOLE, Launch

# Everybody has bash; `nox -s hosts` asks for the others too.
SHELLS = os.environ.get("HOSTS_SHELLS", "bash").split()

# What is typed behind the program's name, and all that completes its last word.
PROBE = {
    "o": ["own"],
    "pro": ["probe"],
    "probe va": ["values"],
    "probe th": ["things"],
    "probe sec": [],
    "probe things ": ["list", "show"],
    "probe things l": ["list"],
    "probe things list --k": ["--kind"],
    "probe things list --kind ": ["round", "square"],
    "probe --l": ["--level"],
    "probe --level ": ["low", "high"],
    "probe --level low va": ["values"],
    "probe --level=low va": ["values"],
    "probe values --m": ["--media-type"],
    "probe values --fa": ["--fast"],
    "probe values --media-type ": ["audio", "video"],
    "probe values --media-type v": ["video"],
    "probe values --media-type=": ["--media-type=audio", "--media-type=video"],
    "probe values --media-type=v": ["--media-type=video"],
    "probe values --workers 3 --media-type a": ["audio"],
    "probe values --workers=3 --media-type a": ["audio"],
    "probe values --file al": ["alpha.wav"],
}

# A command of the server app's own comes from its spec in the folder that the environment names.
BACKFILL = {
    "back": ["backfill"],
    "backfill dur": ["duration"],
    "backfill ren": ["rename"],
    "backfill rename --st": ["--style"],
    "backfill rename --style ": ["plain", "fancy"],
    "backfill duration --media-type v": ["video"],
    "backfill duration --media-type=v": ["--media-type=video"],
    "backfill duration --workers=5 --media-type a": ["audio"],
    "backfill runs sh": ["show"],
}


class Shell:
    """One shell with the host's completion installed; a folder with two files is its working directory."""

    def __init__(self, name: str, environ: Mapping[str, str], folder: Path, script: str) -> None:
        self.name, self.environ, self.folder = name, environ, folder
        (folder / "completion").write_text(script)

    def completions(self, lines: list[str]) -> dict[str, list[str]]:
        """Return all that completes the last word of each line."""
        ask: Callable[[list[str]], dict[str, list[str]]] = getattr(self, f"_{self.name}")
        return ask(lines)

    def _spawn(self, *command: str) -> Any:  # noqa: ANN401  pexpect has no types
        return pexpect.spawn(
            command[0],
            list(command[1:]),
            env=self.environ,
            cwd=str(self.folder / "files"),
            encoding="utf-8",
            dimensions=(24, 500),
            timeout=30,
        )

    def _bash(self, lines: list[str]) -> dict[str, list[str]]:
        found = {}
        with self._spawn("bash", "--norc", "--noprofile", "-i") as bash:
            bash.sendline(
                "bind 'set enable-bracketed-paste off'; source ../completion;"
                r""" bind -x '"\C-g": echo "<<$READLINE_LINE>>"'; echo rea''dy"""
            )
            bash.expect("ready")
            for line in lines:
                # Escape-star inserts all completions, the second key tells the line.
                bash.send(f"{line}\x1b*\x07")
                bash.expect("<<(.*?)>>")
                head = line[: line.rindex(" ") + 1]
                found[line] = bash.match.group(1)[len(head) :].split()
                if found[line] == [line[len(head) :]]:
                    found[line] = []
                bash.send("\x15")
        return found

    def _zsh(self, lines: list[str]) -> dict[str, list[str]]:
        found = {}
        with self._spawn("zsh", "-f", "-i") as zsh:
            zsh.sendline(
                "unsetopt zle_bracketed_paste beep; setopt menu_complete; PS1=; autoload -Uz compinit;"
                " compinit -u -D; source ../completion;"
                ' tell() { zle -I; print -r -- "<<$BUFFER>>" }; zle -N tell; bindkey "^G" tell; echo rea""dy'
            )
            zsh.expect("ready")
            for line in lines:
                head = line[: line.rindex(" ") + 1]
                words: list[str] = []
                # Each further Tab shows the next match, until the first comes again.
                while True:
                    zsh.send(line + "\t" * (len(words) + 1) + "\x07")
                    zsh.expect("<<(.*?)>>")
                    zsh.send("\x15")
                    word = zsh.match.group(1)[len(head) :].strip()
                    # The only match of all is accepted by the first Tab; a second one would go on behind it.
                    if word in (*words, line[len(head) :]) or " " in word:
                        break
                    words.append(word)
                found[line] = words
        return found

    def _fish(self, lines: list[str]) -> dict[str, list[str]]:
        asked = "; ".join(f"complete -C {shlex.quote(line)}; echo ,," for line in lines)
        command = ["fish", "--no-config", "-c", f"source ../completion; {asked}"]
        done = ended(command, env=self.environ, cwd=self.folder / "files")
        answers = done.stdout.split(",,\n")
        return {
            line: [match.partition("\t")[0] for match in answer.splitlines()]
            for line, answer in zip(lines, answers, strict=False)
        }


@pytest.fixture
def shell(launch: Launch, server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    name, host, group = request.param
    server.spec("rename", 'script = "rename.py"\n[[option]]\nname = "style"\nchoices = ["plain", "fancy"]\n')
    server.script("rename.py")
    if shutil.which(name) is None:
        pytest.fail(f"{name} is asked for and is not installed")
    # As it is installed by pip: a program of its own on PATH. Its stderr is kept to be looked at.
    program = tmp_path / "bin" / "host"
    program.parent.mkdir()
    errors = shlex.quote(str(tmp_path / "errors"))
    program.write_text(f'#!/bin/sh\nexec {shlex.join(launch.command(host))} "$@" 2>>{errors}\n')
    program.chmod(0o755)
    (tmp_path / "files").mkdir()
    for file in ("alpha.wav", "beta.wav"):
        (tmp_path / "files" / file).touch()
    words = f"source_{name}" if host.startswith("typer") else f"{name}_source"
    script = launch(host, _HOST_COMPLETE=words, HOST_GROUP=group)
    assert script.code == 0
    environ = {
        **launch.environ,
        "PATH": f"{program.parent}{os.pathsep}{launch.environ['PATH']}",
        "HOST_GROUP": group,
        "TERM": "dumb",
        "CORPUS_SERVER_APP_PATH": str(server.folder),
        "CORPUS_BACKFILL_STATE": str(tmp_path / "state"),
    }
    return Shell(name, environ, tmp_path, script.stdout)


def pairs(group: str) -> list[Any]:
    return [
        pytest.param((name, host, group), id=f"{host}-{name}")
        for name in SHELLS
        for host in ((REFERENCE, *HOSTS) if WHOLE and name == "bash" else (LAZY, REFERENCE))
    ]


@pytest.mark.parametrize("shell", pairs("hosts.probe"), indirect=True)
def test_tab_completes_the_same_everywhere(shell: Shell) -> None:
    assert_completed(shell, PROBE)


@pytest.mark.parametrize("shell", pairs("hosts.backfill"), indirect=True)
def test_tab_completes_backfills_and_leaves_the_ledger_alone(shell: Shell) -> None:
    assert_completed(shell, BACKFILL)
    assert not (shell.folder / "state").exists()


def assert_completed(shell: Shell, expected: Mapping[str, list[str]]) -> None:
    found = shell.completions([f"host {words}" for words in expected])
    assert {line: sorted(map(value, words)) for line, words in found.items()} == {
        f"host {line}": sorted(map(value, words)) for line, words in expected.items()
    }
    assert (shell.folder / "errors").read_text() == ""


def value(word: str) -> str:
    """Return the word without the `--option=` that some shells keep in front of a value."""
    return word.partition("=")[2] if word.startswith("-") and "=" in word else word
