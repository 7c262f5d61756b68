"""What the host programs have in common, so that they differ in nothing but the way they mount plugins."""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoints, entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "host"
OBJ = {"from": "the host"}
META = ("host.note", "from the host")
CONTEXT: dict[str, Any] = {
    "auto_envvar_prefix": "HOST",
    "default_map": {"probe": {"values": {"media_type": "video"}}},
}


def plugins() -> EntryPoints:
    """The entry points that the test registered, in a group of its own."""
    return entry_points(group=os.environ["HOST_GROUP"])


def run(main: Callable[..., Any], invoke: Callable[[list[str]], Any]) -> None:
    """Run the host as the test asks: as a program, embedded in another, or with its own test runner."""
    match os.environ.get("HOST_MODE", "program"):
        case "embedded":
            value = main(sys.argv[1:], prog_name=NAME, standalone_mode=False)
            sys.stdout.write(f"returned {value!r}\n")
        case "runner":
            result = invoke(sys.argv[1:])
            sys.stdout.write(f"exit_code {result.exit_code}\n{result.output}")
        case _:
            main(prog_name=NAME)
