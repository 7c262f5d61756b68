"""What `specs` prints for people and for programs."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from corpus_backfill_plugin.specs.catalog import SHIPPED
from corpus_backfill_plugin.specs.model import Argument, Group, Option, Output, Postcondition, Script
from corpus_backfill_plugin.specs.schema import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Cli, Server

SHIPPED_NAMES = ["duration", "file-hash", "snr", "version-0"]


def test_list_is_a_list_of_objects(server: Server, on_server: Cli) -> None:
    server.spec("broken", "scirpt = 1\n")
    rows = json.loads(on_server("list", "--json").stdout)
    assert [row["name"] for row in rows] == ["broken", *SHIPPED_NAMES]
    assert {tuple(row) for row in rows} == {("name", "source", "path", "script", "state", "faults")}
    broken, duration = rows[0], rows[1]
    place = server.scripts / "broken.toml"
    faults = [
        f"{place}:1: script: missing, and required; add script = 'name.py'",
        f"{place}:2: scirpt: unknown key; did you mean 'script'?",
    ]
    shown = {"name": "broken", "source": "server", "path": str(place), "script": None, "state": "broken"}
    assert broken == {**shown, "faults": faults}
    assert (duration["script"], duration["state"]) == ("media_duration.py", "ok")


def test_show_is_the_declaration(on_server: Cli) -> None:
    told = json.loads(on_server("show", "--json", "duration").stdout)
    assert (told["name"], told["source"], told["script"]) == ("duration", "shipped", "media_duration.py")
    assert [option["name"] for option in told["option"]][:2] == ["media-type", "workers"]
    assert (told["postcondition"], told["output"]) == (None, None)
    plain = on_server("show", "duration").stdout
    rows = [line.split("\t") for line in plain.splitlines()]
    assert ["script", "media_duration.py"] in rows
    assert ["media-type", "str", "audio, video, both", "both", "no", "Which media to measure."] in rows
    assert ["limit", "int", "-", "-", "no", "Work on N records at most."] in rows, "common ones as well"


def test_show_of_a_broken_spec_reports_every_fault(server: Server, on_server: Cli) -> None:
    server.spec("broken", "scirpt = 1\nhelp = 2\n")
    outcome = on_server("show", "broken")
    assert (outcome.code, outcome.stdout) == (1, "")
    assert "the spec of 'broken' has 3 faults:" in outcome.stderr


@pytest.mark.parametrize("command", ["show", "try", "check"])
def test_an_unknown_name_is_reported(command: str, cli: Cli) -> None:
    outcome = cli("specs", command, "nothing")
    assert (outcome.code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("Error: there is no spec named 'nothing'\n")


def test_try_prints_what_would_be_sent_and_runs_nothing(server: Server, on_server: Cli) -> None:
    server.script("media_duration.py", "raise SystemExit('it ran')")
    outcome = on_server("try", "duration", "--", "--limit", "5", "--media-type", "video")
    assert outcome.code == 0
    rows = dict(line.split("\t") for line in outcome.stdout.splitlines())
    assert rows["arguments"] == "--limit 5 --media-type video --workers 3 --batch-size 10"
    assert rows["environment"] == "PYTHONUNBUFFERED=1"
    assert rows["folder"] == str(server.folder)
    without = on_server("try", "duration", "--limit", "5", "--media-type", "video")
    assert without.stdout == outcome.stdout, "the two dashes may be left out"
    told = json.loads(on_server("try", "--json", "duration", "--", "--dry-run").stdout)
    assert list(told) == ["arguments", "argv", "environment", "folder"]
    assert told["arguments"][0] == "--dry-run"
    assert told["argv"][-len(told["arguments"]) :] == told["arguments"]


LOG = (
    b"starting\nreading\n[1/3] a.wav\n::progress done=2 total=3\nFAILED b.wav: no such file\n"
    b"[x/3]\nupdated=1,234 failed=1\xff\rend"
)
MEANT = [
    ("1", "nothing", "-", "(2 lines)"),
    ("3", "progress", "done=1 total=3", "[1/3] a.wav"),
    ("4", "progress", "done=2 total=3", "::progress done=2 total=3"),
    ("5", "failed", "item=b.wav reason=no such file", "FAILED b.wav: no such file"),
    ("6", "nothing", "-", "[x/3]"),
    ("7", "result", "updated=1234 failed=1", "updated=1,234 failed=1\ufffd"),
    ("8", "nothing", "-", "end"),
]


@pytest.mark.parametrize("at", ["before", "behind"])
def test_try_shows_what_the_lines_of_a_log_are_taken_for(
    server: Server, on_server: Cli, tmp_path: Path, at: str
) -> None:
    server.script("talk.py", "")
    output = '[output]\nprogress = "[{done}/{total}]"\nfailed = "FAILED {item}: {reason}"\n'
    server.spec("talk", f'script = "talk.py"\n{output}result = ["updated={{updated}} failed={{failed}}"]\n')
    log = tmp_path / "a.log"
    log.write_bytes(LOG)
    words = ("--lines", str(log), "talk") if at == "before" else ("talk", "--lines", str(log))
    outcome = on_server("try", *words)
    assert outcome.code == 0, outcome.stderr
    assert [tuple(line.split("\t")) for line in outcome.stdout.splitlines()] == MEANT
    if at == "behind":
        rows = json.loads(on_server("try", *words, "--json").stdout)
        assert [(str(row["line"]), row["kind"]) for row in rows] == [row[:2] for row in MEANT]
        program = [sys.executable, "-m", "corpus_backfill_plugin", "--server-path", str(server.folder)]
        piped = [*program, "specs", "try", "talk", "--lines", "-", "--json"]
        done = subprocess.run(piped, input=LOG, capture_output=True, check=True)
        assert json.loads(done.stdout) == rows
        assert rows[5]["values"] == {"updated": 1234, "failed": 1}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--lines", "none.log"), 1, "the log none.log cannot be read: no such file or directory"),
        (("--", "--workers", "0"), 2, "0 is less than 1"),
    ],
)
def test_try_refuses(on_server: Cli, words: tuple[str, ...], code: int, message: str) -> None:
    outcome = on_server("try", "duration", *words)
    assert outcome.code == code
    assert message in outcome.stderr


def test_try_hands_further_dashes_on(server: Server, on_server: Cli) -> None:
    server.spec("eat", 'script = "media_duration.py"\n[[argument]]\nname = "words"\nmultiple = true\n')
    told = json.loads(on_server("try", "--json", "eat", "--", "--", "-v").stdout)
    assert told["arguments"] == ["--", "-v"]


def test_the_schema_is_printed(cli: Cli) -> None:
    outcome = cli("specs", "schema")
    assert json.loads(outcome.stdout) == json.loads(json.dumps(json_schema()))


KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
    "null": (),
}  # fmt: skip


def _misfits(value: object, schema: dict[str, Any], where: str) -> Iterator[str]:
    """Yield where `value` does not keep the parts of JSON Schema that the schema of specs uses."""
    schema = json_schema()["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "anyOf" in schema:
        if all(list(_misfits(value, one, where)) for one in schema["anyOf"]):
            yield f"{where}: none of anyOf"
    elif "type" in schema and not isinstance(value, KINDS[schema["type"]]):
        yield f"{where}: not {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}: not in enum"
    elif isinstance(value, dict):
        yield from (f"{where}: lacks {key}" for key in schema.get("required", ()) if key not in value)
        for key, item in value.items():
            below = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            yield from (
                [f"{where}: unknown {key}"] if below is False else _misfits(item, below, f"{where}.{key}")
            )
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _misfits(item, schema.get("items", {}), f"{where}[{position}]")


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_the_schema_holds_for_the_shipped_specs(name: str) -> None:
    raw = tomllib.loads((SHIPPED / f"{name}.toml").read_text())
    assert list(_misfits(raw, json_schema(), name)) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"scirpt": "x.py"},
        {"script": 5},
        {"option": [{"name": "x", "choises": []}]},
        {"option": [{"type": "int"}]},
        {"effect": "none"},
        {"group": [{"members": ["a", "b"], "rule": "any"}]},
    ],
)
def test_the_schema_finds_what_a_single_key_has_wrong(fault: dict[str, Any]) -> None:
    assert list(_misfits({"spec-version": 1, "script": "x.py"} | fault, json_schema(), ""))


@pytest.mark.parametrize("table", [Script, Option, Argument, Group, Output, Postcondition])
def test_the_schema_describes_every_key_in_its_own_spelling(table: type[msgspec.Struct]) -> None:
    properties = json_schema()["$defs"][table.__name__]["properties"]
    assert list(properties) == [field.encode_name for field in msgspec.structs.fields(table)]
    assert all("_" not in key for key in properties)
    assert [key for key, schema in properties.items() if "description" not in str(schema)] == []
    assert "\\Z" not in json.dumps(json_schema()), "editors cannot read such a pattern"
