"""`config.toml` in the operator's configuration folder: what holds for all their runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from corpus_backfill_plugin.agent.records import OnEnd
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.specs import reader
from corpus_backfill_plugin.specs.catalog import operator_folder, read_plain
from corpus_backfill_plugin.specs.model import Duration, Word
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import nearest, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.agent.records import RunRequest


_HINT = "Correct the file; nothing was started."
CONFIG_VARIABLE = "CORPUS_BACKFILL_CONFIG"
MACHINE_CONFIG = Path("/etc/corpus-backfill/config.toml")
HERE = "here"
"""In the place of a target's name: this machine, whatever the default is."""

_NAME = r"[^-\s/:][^\s/:]*"
_HOP = rf"^(local|(ssh|docker|podman|sudo):{_NAME}|kubectl:{_NAME}/{_NAME}(/{_NAME})?(:{_NAME})?)\Z"
HOP_HINT = (
    "write ssh:[USER@]HOST, docker:NAME, podman:NAME, kubectl:NAMESPACE/deploy/NAME[:CONTAINER], "
    "sudo:ACCOUNT or local"
)


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A place that runs can be started at: another machine, a container, a pod, another account."""

    via: Annotated[tuple[Word, ...], Meta(description="hops to it, the first from here")] = ()
    server_path: Annotated[str, Meta(description="the server app there")] = ""
    state: Annotated[str, Meta(description="the state folder there; the account's own if left out")] = ""
    python: Annotated[str, Meta(description="Python 3.11 or newer there, tried first")] = ""
    env_from: Annotated[
        Literal["target", "here"], Meta(description="whose environment DATABASE_URL is taken from")
    ] = "target"
    confirm: Annotated[bool, Meta(description="ask before anything is started there")] = False
    control_master: Annotated[bool, Meta(description="share one ssh connection")] = True
    ephemeral_state: Annotated[bool, Meta(description="the state folder may go with its container")] = False


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """`config.toml`: what the operator wants for all runs."""

    on_end: Annotated[tuple[Word, ...], Meta(description="program and arguments, told when a run ends")] = ()
    on_end_when: Annotated[
        Literal["always", "failed"], Meta(description="'failed': unless the run succeeded")
    ] = "always"
    on_end_timeout: Annotated[Duration, Meta(description="how long the program may take")] = "30s"
    default_target: Annotated[str, Meta(description="where commands work without --on")] = ""
    target: dict[str, Target] = {}


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
    found += _target_faults(config.target)
    if found:
        raise BackfillError("\n".join(map(str, reader.located(found, raw, text, shown))), _HINT)
    return config


def _target_faults(targets: dict[str, Target]) -> Iterator[reader.Diagnostic]:
    for name, target in targets.items():
        if ":" in name or name == HERE or not name.isprintable():
            yield reader.Diagnostic(("target", name), "is no name for a target", "write letters and dashes")
        if not target.via:
            yield reader.Diagnostic(
                ("target", name, "via"), "missing, and required", "add via = ['ssh:HOST']"
            )
        for at, hop in enumerate(target.via):
            if not re.search(_HOP, hop):
                yield reader.Diagnostic(("target", name, "via", at), f"{quoted(hop)} is no hop", HOP_HINT)


def targets() -> tuple[dict[str, Target], str]:
    """Return all targets by name, and that of the default one, empty without one.

    What the operator says has precedence over a file that they name, and that over the machine's.

    Raises:
        BackfillError: as of `read_config`, or the file that was named is not there.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named and not Path(named).exists():
        raise BackfillError(f"{one_line(named)} (from {CONFIG_VARIABLE}) does not exist", "Correct it.")
    files = (config_path(), *((Path(named),) if named else ()), MACHINE_CONFIG)
    found = [read_config(path) for path in files]
    known = {name: target for config in reversed(found) for name, target in config.target.items()}
    return known, next((config.default_target for config in found if config.default_target), "")


def target_named(name: str) -> Target:
    """Return the target of a name, or the one that a hop such as `ssh:corpus@prod` is by itself.

    Raises:
        BackfillError: there is none.
    """
    if re.search(_HOP, name):
        return Target(via=(name,))
    known, _ = targets()
    if name not in known:
        hint = HOP_HINT if ":" in name else nearest(name, known) or "See `backfill targets`."
        raise BackfillError(f"there is no target {quoted(name)}", hint)
    return known[name]


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
