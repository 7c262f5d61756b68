"""Secrets taken out of a stream of bytes that comes in pieces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from corpus_backfill_plugin.masking import Secret


class Masker:
    """Replaces secrets in a stream. What could still become a secret waits, nothing else does.

    Args:
        secrets: what must not be seen; empty values are ignored.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._shown = {
            s.value.encode(errors="surrogateescape"): s.shown_as.encode() for s in secrets if s.value
        }
        longest_first = sorted(self._shown, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if self._shown else None
        self._held = b""
        self.found = False

    def feed(self, piece: bytes) -> bytes:
        """Return what may be shown now that `piece` has come."""
        if self._pattern is None:
            return piece
        text, shown, at = self._held + piece, [], 0
        while True:
            match = self._pattern.search(text, at) if self._any_in(text) else None
            waits = self._viable_tail(text, at)
            if match is None or match.start() >= waits:
                break
            self.found = True
            shown += [text[at : match.start()], self._shown[match[0]]]
            at = match.end()
        self._held = text[waits:]
        return b"".join((*shown, text[at:waits]))

    def flush(self) -> bytes:
        """Return what was waiting; at the end of the stream it can't become a secret any more."""
        if self._pattern is None:
            return b""
        rest, count = self._pattern.subn(lambda match: self._shown[match[0]], self._held)
        self._held, self.found = b"", self.found or count > 0
        return rest

    def _any_in(self, text: bytes) -> bool:
        """A search for plain bytes is many times faster than one for a pattern, and most pieces have none."""
        return any(value in text for value in self._shown)

    def _viable_tail(self, text: bytes, at: int) -> int:
        """Return where, from `at` on, the longest tail begins that a longer secret begins with."""
        best = len(text)
        for value in self._shown:
            for length in range(min(len(value) - 1, len(text) - at), 0, -1):
                if length <= len(text) - best:
                    break
                if text.endswith(value[:length]):
                    best = len(text) - length
                    break
        return best
