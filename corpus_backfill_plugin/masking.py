"""Secrets: what of a value must not be seen, and what stands in its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"
MIN_LONE_PASSWORD = 4
"""Shorter passwords are masked inside their URL only: masking each `abc` would eat the script's output."""

_USERINFO = re.compile(
    r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^:@/?#]*):(?P<password>.*)@(?P<rest>[^@]*)$", re.DOTALL
)
_QUERY_PASSWORD = re.compile(
    r"(?<=[?&])(?P<key>[A-Za-z_]*pass(?:word|wd|phrase)?)=(?P<password>[^&#]*)", re.IGNORECASE
)


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A text that must not be seen, and what stands in its place."""

    value: str
    shown_as: str = HIDDEN


def mask_url(url: str) -> str:
    """Return `url` with `***` for its password, so that host and database stay visible.

    A text that is no URL is masked whole: it may be a connection string of another form. Where a
    password holds a character that should have been escaped, too much is masked rather than too little.
    """
    if "://" not in url:
        return HIDDEN
    masked = _QUERY_PASSWORD.sub(rf"\g<key>={HIDDEN}", url)
    return _USERINFO.sub(rf"\g<scheme>\g<user>:{HIDDEN}@\g<rest>", masked)


def url_secrets(url: str) -> tuple[Secret, ...]:
    """Return what must be masked where `url` could be seen: itself, and its passwords alone."""
    shown = mask_url(url)
    if shown == url:
        return ()
    found = _USERINFO.match(url.partition("?")[0])
    passwords = [m["password"] for m in _QUERY_PASSWORD.finditer(url)] + (
        [found["password"]] if found else []
    )
    alone = {
        p for password in passwords for p in (password, unquote(password)) if len(p) >= MIN_LONE_PASSWORD
    }
    return (Secret(value=url, shown_as=shown), *(Secret(value=p) for p in sorted(alone)))


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """Return `text` with every secret in it replaced, the longest first."""
    for secret in sorted(secrets, key=lambda s: len(s.value), reverse=True):
        text = text.replace(secret.value, secret.shown_as)
    return text
