"""What is handed to the operating system: argument list, folder, environment, and what to mask.

Everything here is pure. A preview and a run take the same `Invocation`, so that they can't differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A text that must not be seen, and what stands in its place."""

    value: str
    shown_as: str = "***"


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run a script, whole and serialisable: any machine that has the folder can carry it out.

    Attributes:
        program: the words before the script, such as `uv run python`.
        script: path of the script, relative to `folder`.
        arguments: what the script finds in `sys.argv[1:]`.
        folder: absolute path of the working folder, the server app.
        environ: variables set on top of the caller's environment; values may be secret.
        dropped: variables of the caller's that the script must not see.
        stdin: text for the script's standard input; None is an empty input.
        secrets: what to mask wherever something is shown or stored.
    """

    program: tuple[str, ...]
    script: str
    arguments: tuple[str, ...]
    folder: str
    environ: dict[str, str]
    dropped: tuple[str, ...] = ()
    stdin: str | None = None
    secrets: tuple[Secret, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole argument list, the program first."""
        return (*self.program, self.script, *self.arguments)

    def environment(self, caller: Mapping[str, str]) -> dict[str, str]:
        """Return the script's environment, made from that of the `caller`."""
        return {k: v for k, v in caller.items() if k not in self.dropped} | self.environ
