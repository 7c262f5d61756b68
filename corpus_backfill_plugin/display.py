"""Text from specs, files and the environment, made safe to stand on a terminal."""

from __future__ import annotations

# C0 without tab and newline, DEL, C1, and the marks that reorder text: any of them lets a spec or a
# file name redraw the terminal or show a line other than the one that is there.
_TURNING = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070))
_UNSAFE = {code: f"\\x{code:02x}" for code in (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))} | {
    code: f"\\u{code:04x}" for code in _TURNING
}
_UNSAFE |= {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}
_UNSAFE_ON_ONE_LINE = _UNSAFE | {0x09: " ", 0x0A: "\\n"}


def printable(text: str) -> str:
    """Return `text` with every character that a terminal would obey, newline and tab aside, escaped."""
    return text.translate(_UNSAFE)


def one_line(text: str) -> str:
    """Return `text` as one line that is safe on a terminal: newlines are escaped as well."""
    return text.translate(_UNSAFE_ON_ONE_LINE)
