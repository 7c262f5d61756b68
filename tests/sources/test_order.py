"""Which spec is active: shipped, packs, the server's, the operator's, CORPUS_BACKFILL_SPECS; later wins."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from sources.conftest import SPEC

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Cli, Server
    from sources.conftest import Install, Listed

PACKS = "corpus_backfill_plugin.specs"


def _operators(tmp_path: Path) -> Path:
    folder = tmp_path / "home/.config/corpus-backfill/specs"
    folder.mkdir(parents=True)
    return folder


def _spec(folder: Path, name: str, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(SPEC + text)
    return path


def test_each_later_source_replaces_the_earlier_and_is_seen_to(
    server: Server, listed: Listed, install: Install, tmp_path: Path, cli: Cli
) -> None:
    env: dict[str, str] = {}
    order = ["shipped"]
    expected = [row["source"] for row in listed()["version-0"]]
    assert expected == order

    site = install(
        "a-pack", PACKS, {"extra": "a_pack"}, {"a_pack/version-0.toml": f'{SPEC}short-help = "pack"'}
    )
    env["PYTHONPATH"] = str(site)
    places: dict[str, Path] = {"pack extra": site / "a_pack/version-0.toml"}
    steps: list[tuple[str, Callable[[], Path] | None]] = [
        ("pack extra", None),
        ("server", lambda: _spec(server.scripts, "version-0", 'short-help = "server"')),
        ("operator", lambda: _spec(_operators(tmp_path), "version-0", 'short-help = "operator"')),
        (
            "CORPUS_BACKFILL_SPECS",
            lambda: _spec(tmp_path / "more", "version-0", 'short-help = "environment"'),
        ),
    ]
    for source, step in steps:
        if step:
            places[source] = step()
        if source == "CORPUS_BACKFILL_SPECS":
            env["CORPUS_BACKFILL_SPECS"] = str(tmp_path / "more")
        order.insert(0, source)
        rows = listed(env=env)["version-0"]
        assert [row["source"] for row in rows] == order
        assert rows[0]["state"] == "ok"
        assert rows[0]["path"] == str(places[source])
        assert {row["state"] for row in rows[1:]} == {f"shadowed by {source}"}
    shown = cli("--help", env=env | {"CORPUS_SERVER_APP_PATH": str(server.folder)})
    assert "version-0  environment" in shown.stdout


def test_a_spec_is_replaced_whole(server: Server, cli: Cli) -> None:
    server.spec("duration", 'script = "media_duration.py"\ncommon = []\n')
    outcome = cli("duration", "--server-path", str(server.folder))
    assert outcome.told["argv"] == [], "no default of the shipped spec is left"
    assert cli("duration", "--workers", "3", "--server-path", str(server.folder)).code == 2


def test_a_spec_can_be_hidden(server: Server, cli: Cli, listed: Listed) -> None:
    server.spec("snr", 'script = "snr_frequency.py"\nhidden = true\n')
    shown = cli("--help", env={"CORPUS_SERVER_APP_PATH": str(server.folder)}).stdout
    assert "snr" not in shown.split()
    assert "duration" in shown.split()
    assert [(row["source"], row["state"]) for row in listed()["snr"]] == [
        ("server", "hidden"),
        ("shipped", "shadowed by server"),
    ]


def test_the_list_names_script_state_and_path(server: Server, cli: Cli) -> None:
    (server.scripts / "file_hashing.py").unlink()
    server.spec("broken", 'scirpt = "x.py"\n')
    outcome = cli("specs", "list", "--server-path", str(server.folder))
    assert outcome.code == 2, "the group's option stands before the command"
    outcome = cli("--server-path", str(server.folder), "specs", "list")
    rows = [line.split("\t") for line in outcome.stdout.splitlines()]
    assert [row[0] for row in rows] == ["broken", "duration", "file-hash", "snr", "version-0"]
    assert rows[0] == ["broken", "server", "-", "broken", str(server.scripts / "broken.toml")]
    assert rows[2][1:4] == ["shipped", "file_hashing.py", "script missing"]


def test_a_pack_is_a_module_or_a_folder_of_one(listed: Listed, install: Install) -> None:
    site = install(
        "one",
        PACKS,
        {"one": "one"},
        {"one/__init__.py": "raise SystemExit('not imported')", "one/a-one.toml": SPEC},
    )
    install("two", PACKS, {"two": "two:specs/inner"}, {"two/specs/inner/a-two.toml": SPEC})
    install("three", PACKS, {"three": "three"}, {"three.py": "", "a-three.toml": SPEC})
    rows = listed(env={"PYTHONPATH": str(site)})
    assert rows["a-one"][0]["source"] == "pack one", "a top module is found without being imported"
    assert rows["a-two"][0]["source"] == "pack two"
    assert rows["a-three"][0]["source"] == "pack three"


def test_a_pack_runs_the_servers_script(server: Server, cli: Cli, install: Install) -> None:
    site = install("one", PACKS, {"one": "one"}, {"one/again.toml": SPEC})
    outcome = cli("again", "--server-path", str(server.folder), env={"PYTHONPATH": str(site)})
    assert outcome.told["script"] == "backfill/backfill_version_0.py"


def test_a_folder_listed_twice_is_no_rival_of_itself(listed: Listed, tmp_path: Path) -> None:
    _spec(tmp_path / "a", "thing")
    twice = os.pathsep.join((str(tmp_path / "a"), "", f"{tmp_path}/a/../a"))
    (row,) = listed(env={"CORPUS_BACKFILL_SPECS": twice})["thing"]
    assert row["state"] == "ok"


def test_without_a_server_help_works_and_says_so_in_one_line(cli: Cli) -> None:
    outcome = cli("--help")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "duration" in outcome.stdout
    notes = [line for line in outcome.stdout.splitlines() if line.startswith("Note:")]
    assert notes == ["Note: no server app found; see 'doctor'."]
    assert json.loads(cli("specs", "list", "--json").stdout)[0]["state"] == "ok"
    unknown = cli("theirs")
    assert unknown.code == 2
    assert "(No server app was found; its own specs are not known.)" in unknown.stderr
