"""A script's parser read by running the script up to where it parses, in the server's environment.

For parsers that are built by code the source alone does not decide. Imports and whatever stands before the
parsing really happen; so this is done only when asked for, without the variables that lead to a database,
and under a time limit.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from corpus_backfill_plugin.agent.child import last_line, run_child
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.parsers.model import ParsedOption, ParserModel, Unknown, is_database_variable
from corpus_backfill_plugin.parsers.rules import to_model
from corpus_backfill_plugin.parsers.source import read_file
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROBE = Path(__file__).with_name("probe.py")

_WITHHELD = re.compile(
    r"DATABASE|_DSN|_URL$|_URI$|PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|API_?KEY"
    r"|^PG[A-Z]+$|^VIRTUAL_ENV$|^PYTHONHOME$",
    re.IGNORECASE,
)
"""Variables that the script must not see: what leads to data or opens doors, and the caller's environment."""

_NOWHERE = "sqlite:////dev/null/specs-run"
"""A database that no library can open, and that none refuses before it is opened."""


def read_by_running(script: Path, folder: Path, program: Sequence[str], timeout: float = 20) -> ParserModel:
    """Return what the script's parser takes, by running the script in the server's `folder` until it parses.

    A BackfillError says why it did not come to parse within the `timeout` (seconds), after which it is ended
    with all that it started; or that its text is not Python.
    """
    source = read_file(script, folder)
    answer = _answer_of(script, folder, program, timeout, probe_environment(os.environ, source.environment))
    if "failed" in answer:
        raise _failure(script.name, answer)
    return _with_source(to_model(answer), source)


def probe_environment(caller: Mapping[str, str], read: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment of the run: that of the `caller` without what leads to data or opens doors.

    DATABASE_URL, and others like it among the variables that the script is known to `read`, lead nowhere:
    were they not set, a script that loads `.env` would set them to what is there.
    """
    kept = {name: value for name, value in caller.items() if not _WITHHELD.search(name)}
    nowhere = dict.fromkeys(["DATABASE_URL", *filter(is_database_variable, read)], _NOWHERE)
    return kept | nowhere | {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}


def _answer_of(
    script: Path, folder: Path, program: Sequence[str], timeout: float, environment: Mapping[str, str]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="backfill-probe-") as place:
        result = Path(place, "answer.json")
        words = [*program, str(PROBE), str(result), str(script.absolute())]
        ended = run_child(words, folder=str(folder), environ=environment, seconds=timeout)
        if ended.not_started:
            problem = f"'{program[0]}' cannot be started: {ended.not_started}"
            raise BackfillError(problem, "name the server's interpreter with --python")
        if ended.code is None:
            problem = f"{script.name}: did not come to read its command line within {timeout:g} s"
            raise BackfillError(problem, "move slow work behind the parsing, or leave --run out")
        try:
            answer: dict[str, Any] = msgspec.json.decode(result.read_bytes())
        except (OSError, msgspec.DecodeError):
            last = last_line(ended.err) or last_line(ended.out)
            problem = f"{script.name}: ended with code {ended.code} before it read its command line"
            hint = f"try it by hand: {' '.join(program)} {script.name} --help"
            raise BackfillError(f"{problem}: {last}" if last else problem, hint) from None
        return answer


def _failure(name: str, answer: Mapping[str, Any]) -> BackfillError:
    """Return why a script did not come to parse, by what the probe wrote."""
    message = one_line(str(answer.get("message", "")))[:200]
    module = one_line(str(answer.get("module", "")))
    line = f"{name}:{answer['line']}" if answer.get("line") else name
    problem = f"{line}: {answer.get('type')} before it read its command line: {message}".rstrip(": ")
    hint = "the run's DATABASE_URL leads nowhere, on purpose; leave --run out, or connect after parsing"
    match answer["failed"]:
        case "import":
            problem = f"{name}: an import fails: {message}"
            if module and "cannot import name" not in message:
                problem = f"{name}: imports '{module}', which the server's environment does not have"
            hint = "sync the server's environment, or leave --run out"
        case "exit":
            code = one_line(str(answer["code"]))[:100]
            problem = f"{name}: ended with {code} before it read its command line"
            hint = "it asks for something before it parses; leave --run out"
        case "end":
            problem = f"{name}: ran to its end without reading a command line"
            hint = "nothing to declare but what it reads from the environment; leave --run out"
    return BackfillError(problem, hint)


def _with_source(ran: ParserModel, source: ParserModel) -> ParserModel:
    """Add what only the text says: lines, and defaults that belong to this machine or moment."""
    unknowns = list(ran.unknowns)
    if not ran.strict and source.strict and source.library == "argparse":
        reason = "the script parses in steps, and a run sees the first parser only"
        unknowns.append(Unknown(0, "options", reason, hides_options=True))
    merged = _merged(ran, source)
    unsure = {f"{o.flag} default" for o in (*merged.options, *merged.positionals) if "default" in o.unsure}
    kept = tuple(u for u in unknowns if not u.what.endswith(" default") or u.what in unsure)
    return msgspec.structs.replace(
        merged, environment=source.environment, database=source.database, unknowns=kept
    )


def _merged(ran: ParserModel, source: ParserModel) -> ParserModel:
    texts = {one.flag: one for one in (*source.options, *source.positionals)}
    below = {sub.name: sub.parser for sub in source.subcommands}
    return msgspec.structs.replace(
        ran,
        options=tuple(_with_text(one, source.option(one.flag)) for one in ran.options),
        positionals=tuple(_with_text(one, texts.get(one.flag)) for one in ran.positionals),
        subcommands=tuple(
            msgspec.structs.replace(sub, parser=_merged(sub.parser, below.get(sub.name, ParserModel())))
            for sub in ran.subcommands
        ),
    )


_HERE = re.compile(
    r"env|sys\.|os\.|time|date|now|random|uuid|socket|platform|cpu|home|user|cwd|tempfile|__file__"
)
"""What makes a default one of this machine or moment: then what it is here says nothing."""


def _with_text(option: ParsedOption, source: ParsedOption | None) -> ParsedOption:
    if source is None:
        return option
    changes: dict[str, Any] = {"line": source.line}
    if source.default_note and (option.default is None or _HERE.search(source.default_note)):
        unsure = {part: reason for part, reason in option.unsure.items() if part != "default"}
        changes |= {"default": None, "default_note": source.default_note, "unsure": unsure}
        if option.default is not None and str(option.default) in option.help:
            changes["help"] = source.help
    return msgspec.structs.replace(option, **changes)
