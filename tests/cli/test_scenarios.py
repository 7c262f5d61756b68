"""The scenarios that the plugin was ordered with, each through the real program."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import Cli, Environ, Program, Server
from tools import Outcome, cases

from corpus_backfill_plugin.cli import backfill
from corpus_backfill_plugin.workspace import install_folders, locate


@pytest.fixture
def call(cli: Cli, server: Server) -> Program:
    """Call the program with the server app named on the command line."""

    def run(*words: str, env: Environ | None = None, uv: bool = False) -> Outcome:
        outcome = cli(*words, "--server-path", str(server.folder), env=env, uv=uv)
        assert "Traceback" not in outcome.stderr
        return outcome

    return run


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
    cli("version-0", cwd=tmp_path).refused("no server app found")


def test_command_goes_before_group_before_environment_before_sibling(
    make_server: Callable[[str], Server], cli: Cli, tmp_path: Path
) -> None:
    names = ("on-command", "on-group", "in-environment")
    on_command, on_group, in_environment = (str(make_server(name).folder) for name in names)
    sibling = make_server("home/corpus-server-app")
    environ = {"CORPUS_SERVER_APP_PATH": in_environment}
    everything = ("--server-path", on_group, "version-0", "--server-path", on_command)
    for words, env, folder in (
        (everything, environ, on_command),
        (everything[:3], environ, on_group),
        (("version-0",), environ, in_environment),
        (everything[2:], {}, on_command),
        (everything[:3], {}, on_group),
    ):
        outcome = cli(*words, env=env)
        assert (outcome.code, outcome.told["folder"], cli.shown()["server"]) == (0, folder, folder)
    starts = [tmp_path / "home/corpus-client"]
    assert str(locate(None, environ, starts).folder) == in_environment
    assert locate(None, {}, starts).folder == sibling.folder


def test_no_server_tells_what_was_tried_in_order(cli: Cli) -> None:
    outcome = cli("version-0")
    text = outcome.stderr
    tried = [text.index(each) for each in ("--server-path", "CORPUS_SERVER_APP_PATH", "corpus-server-app f")]
    assert (outcome.code, tried) == (1, sorted(tried))
    assert text.splitlines()[-1].startswith("Give --server-path DIR, or set CORPUS_SERVER_APP_PATH")


def test_a_path_that_is_no_server_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for name, said in (
        ("nowhere", f"Error: the server app {tmp_path}/nowhere (from --server-path) does not exist"),
        ("file", "is a file, not a folder"),
        ("folder", "has no backfill/ folder"),
    ):
        outcome = cli("version-0", "--server-path", str(tmp_path / name))
        assert (outcome.code, said in outcome.stderr) == (1, True)
    hint = "Name the folder of corpus-server-app, the one that has a backfill folder in it."
    assert cli("version-0", "--server-path", str(tmp_path / "nowhere")).stderr.splitlines()[1:] == [hint]


def test_missing_scripts_are_listed_all(server: Server, call: Program) -> None:
    (server.scripts / "file_hashing.py").unlink()
    (server.scripts / "snr_frequency.py").unlink()
    outcome = call("version-0")
    assert (outcome.code, outcome.stdout) == (1, "")
    assert "2 of 4 scripts" in outcome.stderr
    assert "  file_hashing.py: missing\n  snr_frequency.py: missing\n" in outcome.stderr


@pytest.mark.parametrize("hidden", ["", "hidden = true\n"], ids=["shown", "hidden"])
def test_a_shipped_command_wants_all_the_shipped_scripts_also_when_one_is_hidden(
    hidden: str, server: Server, call: Program
) -> None:
    (server.scripts / "snr_frequency.py").unlink()
    server.spec("snr", f'script = "snr_frequency.py"\n{hidden}')
    call("version-0").refused("  snr_frequency.py: missing\n")


def test_any_other_command_wants_its_own_script_alone(server: Server, call: Program) -> None:
    server.spec("gone", 'script = "gone.py"\n')
    server.spec("snr", 'script = "backfill_version_0.py"\ncommon = []\n')
    assert call("version-0").code == 0, "one team's script blocks nobody"
    (server.scripts / "file_hashing.py").unlink()
    assert call("snr").code == 0, "nor does a shipped one"
    call("gone").refused("backfill/gone.py: missing")


def test_a_script_that_is_a_link_out_of_the_folder_is_refused(
    server: Server, call: Program, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("print('outside')")
    (server.scripts / "snr_frequency.py").unlink()
    (server.scripts / "snr_frequency.py").symlink_to(outside)
    call("snr").refused("snr_frequency.py: a link that leads out of the backfill folder")


@pytest.mark.parametrize(
    ("command", "argv", "script"),
    cases("""
        duration's defaults | duration | --media-type both --workers 3 --batch-size 10 | media_duration
        duration's own values | duration --media-type audio --workers 8 --batch-size 1
                                             | --media-type audio --workers 8 --batch-size 1 | media_duration
        file-hash's default          | file-hash                 | --algorithm sha256   | file_hashing
        file-hash md5                | file-hash --algorithm md5 | --algorithm md5      | file_hashing
        snr sends nothing by itself  | snr                       |                      | snr_frequency
        snr video                    | snr --media-type video    | --media-type video   | snr_frequency
        version-0 bare               | version-0                 |                      | backfill_version_0
        all common arguments | version-0 -d sqlite:///x.db --dry-run --limit 7
                                                                 | --dry-run --limit 7  | backfill_version_0
    """),
)
def test_what_a_command_sends(command: str, argv: str, script: str, call: Program, server: Server) -> None:
    outcome = call(*command.split())
    told = outcome.told
    assert (told["argv"], told["stdin"]) == (argv.split(), "")
    assert (told["script"], told["folder"]) == (f"backfill/{script}.py", str(server.folder))
    database = {"DATABASE_URL": "sqlite:///x.db"} if "-d" in command.split() else {}
    assert told["environ"] == {"PYTHONUNBUFFERED": "1"} | database
    assert outcome.stderr.splitlines()[0] == "a line on stderr", "the streams stay apart"
    assert outcome.stdout.count("\n") == 1


@pytest.mark.parametrize("code", [0, 1, 2, 4, 75, 137, 255])
def test_the_exit_code_is_forwarded(code: int, call: Program) -> None:
    assert call("version-0", env={"EXIT": str(code)}).code == code


def test_death_by_a_signal_is_128_plus_its_number(server: Server, call: Program) -> None:
    server.script("backfill_version_0.py", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert call("version-0").code == 137


def test_the_database_reaches_the_script_from_the_environment_and_from_the_option_before_it(
    call: Program,
) -> None:
    outcome = call("version-0", env={"DATABASE_URL": "postgresql://user:geheim@host/name"})
    assert outcome.code == 0
    assert "user:***@host/name" in outcome.stdout, "the script got it; what it printed of it is masked"
    told = call("version-0", "-d", "sqlite:///b.db", env={"DATABASE_URL": "sqlite:///a.db"}).told
    assert told["environ"]["DATABASE_URL"] == "sqlite:///b.db"


def test_the_clis_own_environment_stays_away_from_the_script(call: Program, tmp_path: Path) -> None:
    told = call("version-0", env={"VIRTUAL_ENV": "/cli", "PYTHONPATH": str(tmp_path)}).told
    assert told["environ"] == {"PYTHONUNBUFFERED": "1"}


def test_uv_runs_the_script_where_it_is_there_and_else_a_python(
    server: Server, call: Program, tmp_path: Path
) -> None:
    outcome = call("version-0", uv=True)
    assert (outcome.code, outcome.told["argv"]) == (0, [])
    assert "Warning" not in outcome.stderr
    outcome = call("version-0", "--python", sys.executable, uv=True)
    assert outcome.told["prefix"] == sys.prefix

    env = {"PATH": str(tmp_path / "bin")}
    (tmp_path / "bin").mkdir()
    outcome = call("version-0", env=env, uv=True)
    assert outcome.code == 1
    assert "was not started: the program is not there" in outcome.stderr
    assert "`python backfill/backfill_version_0.py" in outcome.stderr.splitlines()[-1]

    (tmp_path / "bin/python").symlink_to(sys.executable)
    outcome = call("version-0", env=env, uv=True)
    assert (outcome.code, outcome.told["argv"]) == (0, [])
    assert outcome.stderr.startswith("Warning: uv is not on PATH and the server has no .venv")

    own = server.folder / ".venv/bin/python"
    own.parent.mkdir(parents=True)
    own.symlink_to(sys.executable)
    outcome = call("version-0", env=env, uv=True)
    assert (outcome.code, outcome.told["argv"]) == (0, [])
    assert f"Warning: uv is not on PATH; using {own}" in outcome.stderr


def test_an_interpreter_that_cannot_be_executed_is_told(call: Program, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    call("version-0", "--python", str(plain)).refused(f"{plain} (from --python) cannot be executed")


def test_an_unexpected_exception_is_one_line_and_1(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise RuntimeError(f"the moon is full over {os.environ['DATABASE_URL']}")

    monkeypatch.setattr("corpus_backfill_plugin.runs.execute.execute", broken)
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:geheim@host/name")
    monkeypatch.setenv("CORPUS_BACKFILL_PYTHON", sys.executable)
    words = ["version-0", "--server-path", str(server.folder)]
    result = CliRunner().invoke(backfill, words)
    assert result.exit_code == 1
    assert "unexpected RuntimeError: the moon is full over postgresql://user:***@host/name" in result.output
    assert "Traceback" not in result.output
    shown = CliRunner().invoke(backfill, [*words, "--debug"])
    assert isinstance(shown.exception, RuntimeError)
    assert shown.exit_code == 1


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
def test_a_broken_spec_costs_its_own_command_alone(script: str, server: Server, call: Program) -> None:
    server.spec("evil", f'script = "{script}"\nlock = 3\n')
    assert call("version-0").code == 0
    call("evil").refused("evil.toml:")


def test_a_shared_folder_is_not_closed(call: Program, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "somebody's file").touch()
    call("version-0", env={"CORPUS_BACKFILL_STATE": str(shared)}).refused(
        "is open to others and holds files that are not ours"
    )
    assert shared.stat().st_mode & 0o777 == 0o777
