"""A stranger adds a script of his own by the documented steps, and hears of it when the script changes."""

import os
import subprocess
import sys
import time
from pathlib import Path

from conftest import Cli, Server
from specs_commands.conftest import TRANSCRIBE

TRANSCRIBING = TRANSCRIBE.replace(
    "    print(vars(build_parser().parse_args()))\n",
    "    options = build_parser().parse_args()\n"
    "    for number in range(options.limit or 2):\n"
    '        print(f"recording {number}: {options.model}, beam {options.beam_size}")\n',
)


COMPLETE = """\
eval "$(_BACKFILL_COMPLETE=bash_source backfill)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_backfill_completion "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _completed_in_bash(server: Server, tmp_path: Path, words: list[str]) -> list[str]:
    """Return what bash offers for the last of `words`, asked through the function that it installs."""
    program = tmp_path / "bin/backfill"
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        f"#!{sys.executable}\nfrom corpus_backfill_plugin.cli import backfill\n"
        "backfill(prog_name='backfill')\n"
    )
    program.chmod(0o755)
    environ = os.environ | {
        "PATH": os.pathsep.join((str(program.parent), os.environ["PATH"])),
        "CORPUS_SERVER_APP_PATH": str(server.folder),
    }
    call = ["bash", "-c", COMPLETE, "bash", *words]
    done = subprocess.run(call, env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_from_a_script_to_a_command_in_under_a_minute(server: Server, cli: Cli, on_server: Cli) -> None:
    script = server.script("transcribe.py", TRANSCRIBING)
    where = ("--server-path", str(server.folder))
    started = time.monotonic()

    made = on_server("new", "transcribe.py")
    assert (made.code, "0 TODOs" in made.stderr) == (0, True)
    assert on_server("check", "transcribe").code == 0
    tried = on_server("try", "transcribe", "--", "--model", "large", "--limit", "2")
    assert "arguments\t--limit 2 --model large --beam-size 5\n" in tried.stdout
    used = cli("transcribe", *where, "--model", "large", "--limit", "2")
    assert used.code == 0
    assert used.stdout.startswith("recording 0: large, beam 5\nrecording 1: large, beam 5\n")
    assert time.monotonic() - started < 60
    shown = cli("transcribe", *where, "--help").stdout
    assert "Write a transcript for recordings that have none." in shown
    assert "--model [small|large]" in shown
    assert "speech model [default: small]" in shown

    script.write_text(TRANSCRIBING.replace('"large"]', '"large", "turbo"]').replace("default=5", "default=8"))
    drift = on_server("check", "transcribe")
    assert drift.code == 1
    place = server.scripts / "transcribe.toml"
    keys = [line.removeprefix(f"{place}:").split(": ")[1] for line in drift.stdout.splitlines()]
    assert keys == ["option.model.choices", "option.beam-size.default"]
    assert on_server("check", "transcribe", "--fix").code == 0
    assert "turbo" in cli("transcribe", *where, "--help").stdout


def test_it_completes_in_bash(server: Server, on_server: Cli, tmp_path: Path) -> None:
    server.script("transcribe.py", TRANSCRIBING)
    assert on_server("new", "transcribe.py").code == 0
    for words, offered in (
        (["backfill", "transc"], ["transcribe"]),
        (["backfill", "transcribe", "--mod"], ["--model"]),
        (["backfill", "transcribe", "--model", ""], ["small", "large"]),
    ):
        assert _completed_in_bash(server, tmp_path, words) == offered
