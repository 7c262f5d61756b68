r"""The line protocol, taken out of what is shown.

A script that wants to be exact prints `::progress done=120 total=3400` as a line of its own. It is trusted
for nothing but the two numbers: whatever differs by one byte is an ordinary line. Everything else passes
through byte for byte and at once; only an unfinished line that can still become one of the protocol's
(at most 53 bytes) waits for what follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from corpus_backfill_plugin.watch.progress import PROTOCOL, from_protocol

if TYPE_CHECKING:
    from corpus_backfill_plugin.watch.progress import Update

_LINE = re.compile(rb"(::progress done=[0-9]{1,15} total=[0-9]{1,15})(\r\n|\r|\n)")
_BEGUN = re.compile(rb"::progress done=[0-9]{1,15}(?P<rest>| .*)", re.DOTALL)
_LONGEST = len(b"::progress done= total=") + 2 * 15


class ProtocolFilter:
    """Takes the protocol's lines out of one stream; keep one instance per stream."""

    def __init__(self) -> None:
        self._held = b""
        self._line_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> tuple[bytes, Update | None]:
        """Return what of `data` is to be shown now, and the last thing that the protocol said in it."""
        if self._after_cr and data:  # the second half of a removed line's \r\n
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if self._held:
            data, self._held = self._held + data, b""
        if not data:
            return b"", None
        update = None
        if PROTOCOL in data:
            data, update = self._without_protocol(data)
        begin = max(data.rfind(b"\n", -_LONGEST - 1), data.rfind(b"\r", -_LONGEST - 1)) + 1
        unfinished = len(data) - begin
        if (begin or self._line_start) and unfinished <= _LONGEST and may_become_protocol(data[begin:]):
            data, self._held = data[:begin], data[begin:]
        if data:
            self._line_start = data.endswith((b"\n", b"\r"))
        return data, update

    def close(self) -> tuple[bytes, Update | None]:
        """Return what was held back when the stream ended: a whole line without its end counts as one."""
        held, self._held = self._held, b""
        update = from_protocol(held)
        return (b"", update) if update else (held, None)

    def _without_protocol(self, data: bytes) -> tuple[bytes, Update | None]:
        last = b""
        shown = []
        start = at = 0
        while (at := data.find(PROTOCOL, at)) >= 0:  # by the literal: thirty times faster than by the pattern
            begins_line = data[at - 1] in b"\r\n" if at else self._line_start
            found = _LINE.match(data, at) if begins_line else None
            if found is None:
                at += len(PROTOCOL)
                continue
            last = found[1]
            shown.append(data[start:at])
            start = at = found.end()
            self._after_cr = found[2] == b"\r" and start == len(data)
        shown.append(data[start:])
        return b"".join(shown), from_protocol(last)


def may_become_protocol(line: bytes) -> bool:
    """Return whether `line`, not empty and still unfinished, can grow into a line of the protocol."""
    if not line:
        return False
    if b"::progress done=".startswith(line):
        return True
    begun = _BEGUN.fullmatch(line)
    if begun is None:
        return False
    rest = begun["rest"]
    return b" total=".startswith(rest) or re.fullmatch(rb" total=[0-9]{0,15}", rest) is not None
