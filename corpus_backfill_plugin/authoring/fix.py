"""A spec brought into line with its script, comments and order kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from corpus_backfill_plugin.authoring.propose import claimed, plays, propose, toml_table
from corpus_backfill_plugin.authoring.writer import common_fit, group_table
from corpus_backfill_plugin.specs.model import COMMON_OPTIONS
from corpus_backfill_plugin.specs.positions import key_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from corpus_backfill_plugin.authoring.drift import Drift
    from corpus_backfill_plugin.parsers.model import ParsedOption

_ALLOWED = ("choices", "min", "max", "ignore-case")
_DEFAULT = ("default", "default-note")
_REGEX = ("regex", "regex-help")
_KEYS: dict[str, tuple[str, ...]] = {
    "type": ("type", *_ALLOWED, *_DEFAULT, *_REGEX, "max-length", "exists"),
    "choices": (*_ALLOWED, *_REGEX),
    "default": _DEFAULT,
    "required": ("required",),
    "negate": ("negate",),
    "arity": (
        *("type", *_ALLOWED, *_DEFAULT, "required", "nargs", "multiple", "separator"),
        *("min-items", "max-items", "value-optional", "negate", *_REGEX),
        *("suggestions", "metavar", "max-length", "exists"),
    ),
}
"""Keys that each sort of change decides; those that the script does not call for are removed."""

_LATER = ("common", "added", "group", "removed")
"""Changes that are made after all others, in this order: names must be known, and removed at the end."""

_ARRAYS = ("option", "argument", "group")


def fix(text: str, drifts: Sequence[Drift]) -> str:
    """Return a spec with each difference corrected, so that a second comparison finds none.

    A renamed option keeps its name and gets the script's new flag. What is only noted, and a subcommand that
    is gone, are left as they are: there is no telling what is meant.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    fixing = _Fixing(plain, [drift for drift in drifts if drift.certain])
    return fixing.fixed().replace("\n", newline)


@dataclass(eq=False)
class _Part:
    """A table of a spec, or the keys before the first: as TOML of its own, with the comments above it.

    Edited alone, it leaves the comments of others alone. The `kind` is the array that it is in, or nothing.
    """

    kind: str
    above: list[str]
    document: tomlkit.TOMLDocument

    @property
    def table(self) -> Any:  # noqa: ANN401 - tomlkit's tables have no common type
        return self.document[self.kind][0]


def _parts(text: str) -> list[_Part]:
    """Return a spec's parts; the last has only the comments at its end."""
    rows = text.rstrip("\n").split("\n")
    headers = {0: ""}
    for path, line in key_lines(text).items():
        if len(path) <= 2 and rows[line - 1].lstrip().startswith("["):  # noqa: PLR2004 - [x] and [[x]]
            headers[line - 1] = str(path[0]) if path[0] in _ARRAYS else ""
    parts, above = list[_Part](), list[str]()
    starts = sorted(headers)
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        at = end
        while at > start and (not rows[at - 1].strip() or rows[at - 1].lstrip().startswith("#")):
            at -= 1
        while (document := _parsed(rows[start:at])) is None:
            at += 1  # what looked like a comment is the end of a text over several lines
        parts.append(_Part(headers[start], above, document))
        above = rows[at:end]
    return [*parts, _Part("", above, tomlkit.document())]


def _parsed(rows: list[str]) -> tomlkit.TOMLDocument | None:
    try:
        return tomlkit.parse("\n".join([*rows, ""]))
    except TOMLKitError:
        return None


class _Fixing:
    """One spec being edited. Paths of drifts are those of the spec as it was compared."""

    def __init__(self, text: str, drifts: Sequence[Drift]) -> None:
        self.drifts = drifts
        self.parts = _parts(text)
        self.head = self.parts[0].document
        self.exclusive = {flag for drift in drifts if drift.group for flag in drift.group.members}
        for kind in _ARRAYS:
            # Written on one line, `option = [{ ... }]`: as tables they take comments and new keys.
            for entry in self.head.pop(kind).unwrap() if kind in self.head else ():
                self._append(kind, tomlkit.dumps({kind: [entry]}))
        self.compared = {kind: list(self._of(kind)) for kind in _ARRAYS}

    def fixed(self) -> str:
        """Return the spec with all differences corrected."""
        order = {change: at for at, change in enumerate(_LATER)}
        for drift in sorted(self.drifts, key=lambda drift: order.get(drift.change, -1)):
            if drift.change in _KEYS:
                self._change(drift)
            elif drift.change == "renamed" and drift.parsed:
                self._table(drift)["flag"] = drift.parsed.flag
            elif drift.change == "common":
                name = drift.key.partition(".")[2]
                self.head["common"] = [other for other in self._common() if other != name]
                self._forget(name)
            elif drift.change == "added" and drift.parsed:
                self._add(drift.parsed, before=drift.before)
            elif drift.change == "group":
                self._regroup(drift)
            elif drift.change == "removed":
                part = self.compared[str(drift.path[0])][int(drift.path[1])]
                self._remove(part)
                self._forget(str(part.table["name"]))
        rows = [row for part in self.parts for row in (*part.above, part.document.as_string().rstrip("\n"))]
        return "\n".join(rows).rstrip("\n") + "\n"

    def _of(self, *kinds: str) -> Iterator[_Part]:
        return (part for part in list(self.parts) if part.kind in kinds)

    def _append(self, kind: str, text: str) -> Any:  # noqa: ANN401 - tomlkit's tables have no common type
        """Add a table, its comments first, behind the last of its kind; return it."""
        comments, header, body = text.partition(f"[[{kind}]]")
        part = _Part(kind, ["", *comments.splitlines()], tomlkit.parse(header + body.rstrip("\n") + "\n"))
        places = [at for at, other in enumerate(self.parts) if other.kind == kind]
        self.parts.insert(places[-1] + 1 if places else len(self.parts) - 1, part)
        return part.table

    def _remove(self, part: _Part) -> None:
        """Remove a table and the comment right above it, which is about this table alone."""
        at = self.parts.index(part)
        while part.above and part.above[-1].startswith("#"):
            part.above.pop()
        while part.above and not part.above[-1].strip():
            part.above.pop()
        self.parts[at + 1].above[:0] = part.above
        del self.parts[at]

    def _table(self, drift: Drift) -> Any:  # noqa: ANN401 - tomlkit's tables have no common type
        """Return the table that a drift is about; a common option gets one of its own."""
        if drift.path != ("common",):
            return self.compared[str(drift.path[0])][int(drift.path[1])].table
        name = drift.key.split(".")[1]
        found = next((part.table for part in self._of("option") if part.table["name"] == name), None)
        if found is not None:
            return found
        common = next(option for option in COMMON_OPTIONS if option.name == name)
        keys = {key: getattr(common, key) for key in ("name", "type", "role", "help")}
        plain = {key: value for key, value in keys.items() if value not in {None, "str"}}
        return self._append("option", toml_table("option", plain))

    def _change(self, drift: Drift) -> None:
        """Give the keys that a change decides the values that the script calls for."""
        parsed = drift.parsed
        if parsed is None:
            return  # the script requires what a spec hands over otherwise: no key makes up for that
        table, wanted = self._table(drift), propose(parsed).table
        if drift.change == "required" and parsed.required:
            wanted["required"] = True
        for key in _KEYS[drift.change]:
            if key not in wanted:
                table.pop(key, None)
            elif key != "metavar" or key not in table:
                table[key] = wanted[key]
        useless = {"role"} if not plays(str(table.get("role")), table) else set()
        for key in useless.union(_DEFAULT if table.get("required") else ()):
            table.pop(key, None)

    def _common(self) -> list[str]:
        return [str(name) for name in self.head.get("common", [option.name for option in COMMON_OPTIONS])]

    def _add(self, parsed: ParsedOption, *, before: bool) -> None:
        """Add what the script has added: to `common` where that fits, else a table of its own."""
        fit = common_fit(parsed) if parsed.flags and not before else None
        common = self._common()
        taken = {name for part in self._of("option", "argument") for name in claimed(part.table)}
        if fit and fit not in taken:
            self.head["common"] = [o.name for o in COMMON_OPTIONS if o.name in {*common, fit}]
            return
        shorts = {str(part.table.get("short", "")) for part in self._of("option")}
        shorts |= {"d"} if "database-url" in common else set()
        exclusive = parsed.flag in self.exclusive
        proposal = propose(parsed, taken={*taken, *common}, shorts=shorts, before=before, exclusive=exclusive)
        if proposal.usable:
            self._append(proposal.kind, proposal.text())

    def _regroup(self, drift: Drift) -> None:
        """Write the script's exclusive group: over the spec's that it changes, else as a new one."""
        if drift.group is None:
            return
        wanted = group_table(map(self._name, drift.group.members), exact=drift.group.required)
        if drift.path[0] == "group":
            table = self.compared["group"][int(drift.path[1])].table
            table["rule"] = wanted["rule"]
            table["members"] = list(dict.fromkeys([*map(str, table["members"]), *wanted["members"]]))
        else:
            self._append("group", toml_table("group", wanted))

    def _name(self, flag: str) -> str:
        """Return the spec's name for the script's `flag`."""
        for table in (part.table for part in self._of("option")):
            if flag in (table.get("flag", f"--{table['name']}"), table.get("negate")):
                return str(table["name"])
        return flag.lstrip("-")

    def _forget(self, name: str) -> None:
        """Take a name that is gone out of rules and lists."""
        for part in self._of("group"):
            _without(part.table, "members", name)
            if len(part.table.get("members", ())) < 2:  # noqa: PLR2004 - a group of one is no group
                self._remove(part)
        for part in self._of("option", "argument"):
            _without(part.table, "requires", name)
            _without(part.table, "required-if", name)
        for document in (part.document for part in self.parts if "postcondition" in part.document):
            _without(document["postcondition"], "skip-if-given", name)


def _without(table: Any, key: str, name: str) -> None:  # noqa: ANN401 - tomlkit's tables have no common type
    """Take `name` out of a list or table, and remove that when nothing is left in it."""
    found = table.get(key, [])
    if name not in found:
        return
    found.remove(name)
    if not found:
        del table[key]
