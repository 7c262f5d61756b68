"""Secrets: what of a value must not be seen, and what is shown in its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"

AMBIENT = ("DATABASE_URL", "PGPASSWORD", "MYSQL_PWD")  # variables that hold a database's password


class Secret(Value):
    """A text that must not be seen, and what is shown in its place."""

    value: str
    shown_as: str = HIDDEN


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """Return `text` with every secret in it replaced, the longest first."""
    for secret in sorted(secrets, key=lambda s: len(s.value), reverse=True):
        text = text.replace(secret.value, secret.shown_as)
    return text


class Masker:
    """Replaces secrets in a stream. What could still become a secret waits, nothing else does."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        how = "surrogateescape"
        self._shown = {s.value.encode(errors=how): s.shown_as.encode(errors=how) for s in secrets if s.value}
        longest_first = sorted(self._shown, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)))
        self._longest = len(longest_first[0]) if longest_first else 0
        self._held = b""
        self.found = False

    def feed(self, piece: bytes) -> bytes:
        """Return what may be shown now that `piece` has come."""
        if not self._shown:
            return piece
        text, shown, at = self._held + piece, [], 0
        if any(value in text for value in self._shown):  # many times faster than the pattern, and seldom true
            certain = len(text) - self._longest  # what begins here or before can't become a longer secret
            for match in self._pattern.finditer(text):
                if match.start() > certain and match.start() >= self._viable_tail(text, at):
                    break
                shown += [text[at : match.start()], self._shown[match[0]]]
                at = match.end()
            self.found = self.found or at > 0
        waits = self._viable_tail(text, at)
        self._held = text[waits:]
        return b"".join((*shown, text[at:waits]))

    def flush(self) -> bytes:
        """Return what was waiting; at the end of the stream it can't become a secret any more."""
        held, self._held = self._held, b""
        rest = self._pattern.sub(lambda match: self._shown[match[0]], held) if held else b""
        self.found = self.found or rest != held
        return rest

    def _viable_tail(self, text: bytes, at: int) -> int:
        """Return where, from `at` on, the longest tail begins that a longer secret begins with."""
        best = len(text)
        for value in self._shown:
            begin = text.find(value[:1], max(len(text) - len(value) + 1, at))
            while 0 <= begin < best:
                if value.startswith(text[begin:]):
                    best = begin
                begin = text.find(value[:1], begin + 1)
        return best
