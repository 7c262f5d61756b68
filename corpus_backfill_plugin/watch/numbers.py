"""Numbers that a script printed, believed only when they are plain, finite and of a sane size."""

from __future__ import annotations

import re
from typing import TypeAlias

Count: TypeAlias = int | float
"""Items counted: whole, unless the script itself rounds (`1.2k`) or counts in fractions."""

MAX_DIGITS = 15
"""Whole numbers of up to 15 digits are exact as floats too, and no backfill has more records."""

_NUMBER = re.compile(
    r"([0-9]{1,15}|[0-9]{1,3}(?:[,_'][0-9]{3}){1,4})(\.[0-9]{1,15})?([kKMGTPEZY]?)", re.ASCII
)
_SCALE = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def count(text: str | None) -> Count | None:
    """Return the number that `text` is: digits, thousands separators, a fraction, `k`, `M`, `G` or `T`.

    Anything else, also a negative number, NaN and what has more than `MAX_DIGITS` digits, is None.
    """
    found = _NUMBER.fullmatch(text.strip()) if text else None
    if found is None or found[3] not in _SCALE:
        return None
    digits, fraction, scale = found.groups()
    whole = int(digits if digits.isdecimal() else re.sub("[,_']", "", digits))
    value = (whole + float(fraction)) * _SCALE[scale] if fraction else whole * _SCALE[scale]
    if value >= 10**MAX_DIGITS:
        return None
    return round(value) if scale or value == int(value) else value
