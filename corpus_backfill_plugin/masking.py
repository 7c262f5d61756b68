"""Secrets: what of a value must not be seen, and what stands in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A text that must not be seen, and what stands in its place."""

    value: str
    shown_as: str = HIDDEN


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """Return `text` with every secret in it replaced, the longest first."""
    for secret in sorted(secrets, key=lambda s: len(s.value), reverse=True):
        text = text.replace(secret.value, secret.shown_as)
    return text
