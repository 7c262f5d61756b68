"""The scenarios that the plugin was ordered with, each through the real program."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from corpus_backfill_plugin.cli import backfill
from corpus_backfill_plugin.workspace import install_folders, locate

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Server


def test_a_server_app_beside_the_install_is_found(
    make_server: Callable[[str], Server], tmp_path: Path
) -> None:
    server = make_server("home/corpus-server-app")
    installed = tmp_path / "home/corpus-client/.venv/lib/python3.11/site-packages/corpus_backfill_plugin"
    app = locate(None, {}, [installed])
    assert app.folder == server.folder
    assert app.found == f"beside {tmp_path / 'home'}"


def test_the_walk_starts_at_package_environment_and_program() -> None:
    folders = install_folders()
    assert folders[0].name == "corpus_backfill_plugin"
    assert Path(sys.prefix).resolve() in folders


def test_a_real_install_finds_its_sibling(
    make_server: Callable[[str], Server], tmp_path: Path, cli: Cli
) -> None:
    make_server("beside/corpus-server-app")
    package = tmp_path / "beside/corpus-client/lib/corpus_backfill_plugin"
    shutil.copytree(install_folders()[0], package)
    outcome = cli("version-0", env={"PYTHONPATH": str(package.parent)}, cwd=package.parent)
    assert (outcome.code, outcome.told["argv"]) == (0, [])
    assert outcome.told["folder"] == str(tmp_path / "beside/corpus-server-app")


def test_the_current_folder_is_not_looked_at(
    make_server: Callable[[str], Server], cli: Cli, tmp_path: Path
) -> None:
    make_server("corpus-server-app")
    outcome = cli("version-0", cwd=tmp_path)
    assert outcome.code == 1
    assert "no server app found" in outcome.stderr


@pytest.mark.parametrize(
    ("before", "behind", "env"),
    [
        pytest.param((), ("--server-path", "{}"), {}, id="on the command"),
        pytest.param(("--server-path", "{}"), (), {}, id="on the group"),
        pytest.param((), (), {"CORPUS_SERVER_APP_PATH": "{}"}, id="in the environment"),
    ],
)
def test_the_server_is_named(
    server: Server, cli: Cli, *, before: tuple[str, ...], behind: tuple[str, ...], env: dict[str, str]
) -> None:
    words = [word.format(server.folder) for word in (*before, "version-0", *behind)]
    outcome = cli(*words, env={name: value.format(server.folder) for name, value in env.items()})
    assert (outcome.code, outcome.told["folder"]) == (0, str(server.folder))


def test_command_goes_before_group_before_environment_before_sibling(
    make_server: Callable[[str], Server], cli: Cli, tmp_path: Path
) -> None:
    names = ("on-command", "on-group", "in-environment")
    on_command, on_group, in_environment = (make_server(name) for name in names)
    sibling = make_server("home/corpus-server-app")
    environ = {"CORPUS_SERVER_APP_PATH": str(in_environment.folder)}
    everything = ("--server-path", str(on_group.folder), "version-0", "--server-path", str(on_command.folder))
    assert cli(*everything, env=environ).told["folder"] == str(on_command.folder)
    assert cli(*everything[:3], env=environ).told["folder"] == str(on_group.folder)
    assert cli("version-0", env=environ).told["folder"] == str(in_environment.folder)
    starts = [tmp_path / "home/corpus-client"]
    assert locate(None, environ, starts).folder == in_environment.folder
    assert locate(None, {}, starts).folder == sibling.folder


def test_a_path_that_is_missing_is_told(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("version-0", "--server-path", str(tmp_path / "nowhere"))
    assert outcome.code == 1
    assert outcome.stderr.splitlines() == [
        f"Error: the server app {tmp_path}/nowhere (from --server-path) does not exist",
        "Name the folder of corpus-server-app, the one that has a backfill folder in it.",
    ]


def test_no_server_tells_what_was_tried_in_order(cli: Cli) -> None:
    outcome = cli("version-0")
    assert outcome.code == 1
    text = outcome.stderr
    assert (
        text.index("--server-path")
        < text.index("CORPUS_SERVER_APP_PATH")
        < text.index("corpus-server-app folder")
    )
    assert text.splitlines()[-1].startswith("Give --server-path DIR, or set CORPUS_SERVER_APP_PATH")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda p: p.write_text(""), "is a file, not a folder", id="a file"),
        pytest.param(lambda p: p.mkdir(), "has no backfill/ folder", id="no backfill folder"),
    ],
)
def test_a_path_that_is_no_server_is_told(
    make: Callable[[Path], object], words: str, cli: Cli, tmp_path: Path
) -> None:
    make(tmp_path / "thing")
    outcome = cli("version-0", "--server-path", str(tmp_path / "thing"))
    assert outcome.code == 1
    assert words in outcome.stderr


def test_missing_scripts_are_listed_all(server: Server, cli: Cli) -> None:
    (server.scripts / "file_hashing.py").unlink()
    (server.scripts / "snr_frequency.py").unlink()
    outcome = cli("version-0", "--server-path", str(server.folder))
    assert outcome.code == 1
    assert "2 of 4 scripts" in outcome.stderr
    assert "  file_hashing.py: missing\n  snr_frequency.py: missing\n" in outcome.stderr
    assert outcome.stdout == ""


@pytest.mark.parametrize("hidden", ["", "hidden = true\n"], ids=["shown", "hidden"])
def test_a_shipped_command_wants_all_the_shipped_scripts_also_when_one_is_hidden(
    hidden: str, server: Server, cli: Cli
) -> None:
    (server.scripts / "snr_frequency.py").unlink()
    server.spec("snr", f'script = "snr_frequency.py"\n{hidden}')
    outcome = cli("version-0", "--server-path", str(server.folder))
    assert (outcome.code, "  snr_frequency.py: missing\n" in outcome.stderr) == (1, True)


def test_any_other_command_wants_its_own_script_alone(server: Server, cli: Cli) -> None:
    server.spec("gone", 'script = "gone.py"\n')
    server.spec("snr", 'script = "backfill_version_0.py"\ncommon = []\n')
    assert cli("version-0", "--server-path", str(server.folder)).code == 0, "one team's script blocks nobody"
    (server.scripts / "file_hashing.py").unlink()
    assert cli("snr", "--server-path", str(server.folder)).code == 0, "nor does a shipped one"
    outcome = cli("gone", "--server-path", str(server.folder))
    assert (outcome.code, "backfill/gone.py: missing" in outcome.stderr) == (1, True)


def test_a_script_that_is_a_link_out_of_the_folder_is_refused(
    server: Server, cli: Cli, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("print('outside')")
    (server.scripts / "snr_frequency.py").unlink()
    (server.scripts / "snr_frequency.py").symlink_to(outside)
    outcome = cli("snr", "--server-path", str(server.folder))
    assert outcome.code == 1
    assert "snr_frequency.py: a link that leads out of the backfill folder" in outcome.stderr


def test_all_common_arguments_reach_the_script(server: Server, cli: Cli) -> None:
    words = ("-d", "sqlite:///x.db", "--dry-run", "--limit", "7", "--server-path", str(server.folder))
    told = cli("version-0", *words).told
    assert told["argv"] == ["--dry-run", "--limit", "7"]
    assert told["environ"]["DATABASE_URL"] == "sqlite:///x.db"


def test_defaults_alone_send_nothing(server: Server, cli: Cli) -> None:
    told = cli("version-0", "--server-path", str(server.folder)).told
    assert told["argv"] == []
    assert told["stdin"] == ""


@pytest.mark.parametrize(
    ("command", "argv", "script"),
    [
        pytest.param(
            ["duration"],
            ["--media-type", "both", "--workers", "3", "--batch-size", "10"],
            "media_duration.py",
            id="duration's defaults are sent",
        ),
        pytest.param(
            ["duration", "--media-type", "audio", "--workers", "8", "--batch-size", "1"],
            ["--media-type", "audio", "--workers", "8", "--batch-size", "1"],
            "media_duration.py",
            id="duration's own values",
        ),
        pytest.param(["file-hash"], ["--algorithm", "sha256"], "file_hashing.py", id="file-hash's default"),
        pytest.param(
            ["file-hash", "--algorithm", "md5"], ["--algorithm", "md5"], "file_hashing.py", id="file-hash md5"
        ),
        pytest.param(["snr"], [], "snr_frequency.py", id="snr sends nothing by itself"),
        pytest.param(
            ["snr", "--media-type", "video"], ["--media-type", "video"], "snr_frequency.py", id="snr video"
        ),
        pytest.param(["version-0"], [], "backfill_version_0.py", id="version-0 bare"),
    ],
)
def test_what_a_command_sends(
    command: list[str], argv: list[str], script: str, server: Server, cli: Cli
) -> None:
    told = cli(*command, "--server-path", str(server.folder)).told
    assert told["argv"] == argv
    assert told["script"] == f"backfill/{script}"


@pytest.mark.parametrize("code", [0, 1, 2, 4, 75, 137, 255])
def test_the_exit_code_is_forwarded(code: int, server: Server, cli: Cli) -> None:
    outcome = cli("version-0", "--server-path", str(server.folder), env={"EXIT": str(code)})
    assert outcome.code == code


def test_death_by_a_signal_is_128_plus_its_number(server: Server, cli: Cli) -> None:
    server.script("backfill_version_0.py", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert cli("version-0", "--server-path", str(server.folder)).code == 137


def test_the_database_reaches_the_script_from_the_environment(server: Server, cli: Cli) -> None:
    url = "postgresql://user:geheim@host/name"
    outcome = cli("version-0", "--server-path", str(server.folder), env={"DATABASE_URL": url})
    assert outcome.code == 0
    assert "user:***@host/name" in outcome.stdout, "the script got it; what it printed of it is masked"


def test_the_option_goes_before_the_environment(server: Server, cli: Cli) -> None:
    words = ("version-0", "-d", "sqlite:///b.db", "--server-path", str(server.folder))
    assert (
        cli(*words, env={"DATABASE_URL": "sqlite:///a.db"}).told["environ"]["DATABASE_URL"]
        == "sqlite:///b.db"
    )


def test_the_clis_own_environment_stays_away_from_the_script(
    server: Server, cli: Cli, tmp_path: Path
) -> None:
    environ = {"VIRTUAL_ENV": "/cli", "PYTHONPATH": str(tmp_path)}
    told = cli("version-0", "--server-path", str(server.folder), env=environ).told
    assert told["environ"] == {"PYTHONUNBUFFERED": "1"}


def test_uv_runs_the_script_where_it_is_there(server: Server, cli: Cli) -> None:
    outcome = cli("version-0", "--server-path", str(server.folder), uv=True)
    assert (outcome.code, outcome.told["argv"]) == (0, [])
    assert "Warning" not in outcome.stderr


def _without_uv(tmp_path: Path, *, python: bool) -> dict[str, str | None]:
    folder = tmp_path / "bin"
    folder.mkdir()
    if python:
        (folder / "python").symlink_to(sys.executable)
    return {"PATH": str(folder)}


def test_without_uv_the_servers_own_python_runs_it(server: Server, cli: Cli, tmp_path: Path) -> None:
    own = server.folder / ".venv/bin/python"
    own.parent.mkdir(parents=True)
    own.symlink_to(sys.executable)
    outcome = cli(
        "version-0", "--server-path", str(server.folder), env=_without_uv(tmp_path, python=False), uv=True
    )
    assert (outcome.code, outcome.told["argv"]) == (0, [])
    assert f"Warning: uv is not on PATH; using {own}" in outcome.stderr


def test_without_uv_and_venv_any_python_runs_it_with_a_warning(
    server: Server, cli: Cli, tmp_path: Path
) -> None:
    outcome = cli(
        "version-0", "--server-path", str(server.folder), env=_without_uv(tmp_path, python=True), uv=True
    )
    assert (outcome.code, outcome.told["argv"]) == (0, [])
    assert outcome.stderr.startswith("Warning: uv is not on PATH and the server has no .venv")


def test_a_program_that_is_not_there_is_told(server: Server, cli: Cli, tmp_path: Path) -> None:
    outcome = cli(
        "version-0", "--server-path", str(server.folder), env=_without_uv(tmp_path, python=False), uv=True
    )
    assert outcome.code == 1
    assert "was not started: the program is not there" in outcome.stderr
    assert "`python backfill/backfill_version_0.py" in outcome.stderr.splitlines()[-1]
    assert "Traceback" not in outcome.stderr


def test_an_interpreter_that_cannot_be_executed_is_told(server: Server, cli: Cli, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    outcome = cli("version-0", "--server-path", str(server.folder), "--python", str(plain))
    assert outcome.code == 1
    assert f"{plain} (from --python) cannot be executed" in outcome.stderr


def test_python_names_the_interpreter(server: Server, cli: Cli) -> None:
    outcome = cli("version-0", "--server-path", str(server.folder), "--python", sys.executable, uv=True)
    assert outcome.told["prefix"] == sys.prefix


def test_an_unexpected_exception_is_one_line_and_1(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise RuntimeError(f"the moon is full over {os.environ['DATABASE_URL']}")

    monkeypatch.setattr("corpus_backfill_plugin.runs.execute.execute", broken)
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:geheim@host/name")
    monkeypatch.setenv("CORPUS_BACKFILL_PYTHON", sys.executable)
    result = CliRunner().invoke(backfill, ["version-0", "--server-path", str(server.folder)])
    assert result.exit_code == 1
    assert "unexpected RuntimeError: the moon is full over postgresql://user:***@host/name" in result.output
    assert "Traceback" not in result.output
    shown = CliRunner().invoke(backfill, ["version-0", "--server-path", str(server.folder), "--debug"])
    assert isinstance(shown.exception, RuntimeError)
    assert shown.exit_code == 1


def test_the_streams_stay_apart(server: Server, cli: Cli) -> None:
    outcome = cli("version-0", "--server-path", str(server.folder))
    assert outcome.stdout.count("\n") == 1
    assert outcome.stderr.splitlines()[0] == "a line on stderr"
    assert "a line on stderr" not in outcome.stdout


def test_a_folder_with_spaces_and_letters_beyond_ascii(
    make_server: Callable[[str], Server], cli: Cli
) -> None:
    server = make_server("Mein Ordner/größe 东京/corpus-server-app")
    outcome = cli("version-0", "--server-path", str(server.folder), uv=True)
    assert outcome.told["folder"] == str(server.folder)


def test_values_that_a_shell_would_have_eaten(server: Server, cli: Cli) -> None:
    server.spec("eat", 'script = "eat.py"\n[[argument]]\nname = "words"\nmultiple = true\n')
    server.script("eat.py")
    words = ["$(touch x)", "a b", "*", "'", '"', "\\", ";", "&&", "", "größe", "-v", "line\nline", "`id`"]
    told = cli("eat", "--server-path", str(server.folder), "--", *words).told
    assert told["argv"] == ["--", *words]
    assert not os.path.lexists(server.folder / "x")


@pytest.mark.parametrize("script", ["../x.py", "gone.py"])
def test_a_broken_spec_costs_its_own_command_alone(script: str, server: Server, cli: Cli) -> None:
    server.spec("evil", f'script = "{script}"\nlock = 3\n')
    assert cli("version-0", "--server-path", str(server.folder)).code == 0
    broken = cli("evil", "--server-path", str(server.folder))
    assert (broken.code, "evil.toml:" in broken.stderr) == (1, True)


def test_a_shared_folder_is_not_closed(server: Server, cli: Cli, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "somebody's file").touch()
    outcome = cli(
        "version-0", "--server-path", str(server.folder), env={"CORPUS_BACKFILL_STATE": str(shared)}
    )
    assert outcome.code == 1
    assert "is open to others and holds files that are not ours" in outcome.stderr
    assert shared.stat().st_mode & 0o777 == 0o777
