"""`config.toml` in the operator's configuration folder: what holds for all their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from corpus_backfill_plugin.agent.records import OnEnd, RunRequest
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs import reader
from corpus_backfill_plugin.specs.catalog import operator_folder, read_plain
from corpus_backfill_plugin.specs.model import Duration, Word
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from pathlib import Path


_HINT = "Correct the file; nothing was started."


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """`config.toml`: what the operator wants for all runs."""

    on_end: Annotated[tuple[Word, ...], Meta(description="program and arguments, told when a run ends")] = ()
    on_end_when: Annotated[
        Literal["always", "failed"], Meta(description="'failed': unless the run succeeded")
    ] = "always"
    on_end_timeout: Annotated[Duration, Meta(description="how long the program may take")] = "30s"


def config_path() -> Path:
    """Return where the operator's configuration is, or would be."""
    return operator_folder().parent / "config.toml"


def read_config(path: Path) -> Config:
    """Return the configuration in the file at `path`; without one, that of nobody."""
    try:
        data = read_plain(path, reader.MAX_BYTES)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise BackfillError(
            f"{one_line(str(path))} can't be read: {error.strerror or error}", "Correct it or take it away."
        ) from None
    shown = one_line(str(path))
    try:
        text, raw = reader.read_toml(data)
    except reader.UnreadableError as error:
        raise BackfillError(str(error.diagnostic(shown)), _HINT) from None
    config, found = reader.converted(raw, Config)
    try:
        parse_duration(config.on_end_timeout)
    except ValueError as error:
        found.append(reader.Diagnostic(("on-end-timeout",), str(error)))
    if found:
        raise BackfillError("\n".join(map(str, reader.located(found, raw, text, shown))), _HINT)
    return config


def with_on_end(request: RunRequest) -> RunRequest:
    """Return `request` with the operator's program for its end, if they have one."""
    path = config_path()
    config = read_config(path)
    if not config.on_end:
        return request
    on_end = OnEnd(
        program=config.on_end,
        folder=str(path.parent),
        when=config.on_end_when,
        timeout=parse_duration(config.on_end_timeout),
    )
    return replace(request, on_end=on_end)
