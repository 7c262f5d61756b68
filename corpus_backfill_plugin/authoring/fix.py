"""A spec brought into line with its script, comments and order kept."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.items import AoT, Table

from corpus_backfill_plugin.authoring.propose import propose_argument, propose_option
from corpus_backfill_plugin.authoring.writer import common_fit
from corpus_backfill_plugin.specs.model import COMMON_OPTIONS
from corpus_backfill_plugin.specs.positions import key_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpus_backfill_plugin.authoring.drift import Drift
    from corpus_backfill_plugin.parsers.model import ParsedOption
    from corpus_backfill_plugin.specs.diagnostics import KeyPath

_KEYS: dict[str, tuple[str, ...]] = {
    "type": (
        "type", "choices", "min", "max", "ignore-case", "default", "default-note", "regex", "regex-help",
        "max-length", "exists",
    ),
    "choices": ("choices", "min", "max", "ignore-case", "regex", "regex-help"),
    "default": ("default", "default-note"),
    "required": ("required",),
    "negate": ("negate",),
    "arity": (
        "type", "choices", "min", "max", "ignore-case", "default", "default-note", "required", "nargs",
        "multiple", "separator", "min-items", "max-items", "value-optional", "negate", "regex", "regex-help",
        "suggestions", "metavar", "max-length", "exists",
    ),
}  # fmt: skip
"""Keys that each sort of change decides; those that the script does not call for are removed."""


def fix(text: str, drifts: Sequence[Drift]) -> str:
    """Return the spec with each difference corrected, so that a second comparison finds none.

    A renamed option keeps the name that operators type and gets the script's new flag. What is only noted,
    and a subcommand that is gone, are left as they are: there is no telling what is meant.

    Args:
        text: the spec's TOML, without faults.
        drifts: of `compare` with the same spec.
    """
    certain = [drift for drift in drifts if drift.certain]
    removed = sorted((d for d in certain if d.change == "removed"), key=lambda d: d.path, reverse=True)
    newline = "\r\n" if "\r\n" in text else "\n"
    text = _without_comments(text.replace("\r\n", "\n"), [drift.path for drift in removed])
    bare, blocks = _detached(text)
    document = tomlkit.parse(bare)
    fixing = _Fixing(document)
    for drift in certain:
        if drift.change in _KEYS:
            fixing.change(drift)
        elif drift.change == "renamed" and drift.parsed:
            fixing.table(drift)["flag"] = drift.parsed.flag
    for drift in certain:
        if drift.change == "common":
            fixing.drop_common(drift.key.partition(".")[2])
        elif drift.change == "added" and drift.parsed:
            exclusive = any(d.group and drift.parsed.flag in d.group.members for d in certain)
            fixing.add(drift.parsed, before=drift.before, exclusive=exclusive)
    for drift in certain:
        if drift.change == "group" and drift.group:
            fixing.regroup(drift)
    # Last, and from the end: removing a table moves those behind it.
    for drift in removed:
        fixing.remove(drift)
    return _attached(tomlkit.dumps(document), blocks).replace("\n", newline)


_MARK = "#@block-"
"""Begins the comment that stands, behind a table's header, for the lines above it while a spec is edited."""


def _detached(text: str) -> tuple[str, list[list[str]]]:
    """Return the spec without the comments and blank lines above headers and at the end, and these.

    To tomlkit they belong to the table before: they would be removed with it, and what is added to it would
    come after them.
    """
    raw, rows, blocks = tomllib.loads(text), text.rstrip("\n").split("\n"), []
    headers = {line - 1 for path, line in key_lines(text).items() if _is_table(raw, path)}
    kept: list[str] = []
    for number, row in enumerate((*rows, "")):
        if number < len(rows) and not (number in headers and row.lstrip().startswith("[")):
            kept.append(row)
            continue
        at = len(kept)
        while at and (not kept[at - 1].strip() or kept[at - 1].lstrip().startswith("#")):
            at -= 1
        blocks.append(kept[at:])
        kept[at:] = [f"{row} {_MARK}{len(blocks) - 1}"] if number < len(rows) else []
    bare = "\n".join((*kept, ""))
    try:
        same = tomllib.loads(bare) == raw
    except tomllib.TOMLDecodeError:
        same = False
    # What looks like a comment may be the last line of a text over several lines: then nothing is moved.
    return (bare, blocks) if same else (text, [[]])


def _is_table(raw: Any, path: KeyPath) -> bool:  # noqa: ANN401 - any parsed TOML
    for step in path:
        raw = raw[step]
    return isinstance(raw, dict)


def _attached(text: str, blocks: list[list[str]]) -> str:
    """Return the spec with each block above its header; comments of a header that is gone above the next."""
    rows: list[str] = []
    waiting = 0
    for row in text.rstrip("\n").split("\n"):
        before, mark, number = row.rpartition(f" {_MARK}")
        if mark:
            rows += _joined(blocks[waiting : int(number) + 1])
            waiting = int(number) + 1
        rows.append(before if mark else row)
    return "\n".join((*rows, *_joined(blocks[waiting:]))).rstrip("\n") + "\n"


def _joined(blocks: list[list[str]]) -> list[str]:
    """Return the blocks one after another; those before the last only where something is said in them."""
    texts = ["\n".join(block).rstrip() for block in blocks[:-1]]
    spoken = [text.split("\n") for text in texts if text]
    return [row for block in (*spoken, *blocks[-1:]) for row in block]


def _without_comments(text: str, paths: Sequence[KeyPath]) -> str:
    """Return the spec without the comments right above the tables at `paths`, which speak of these alone."""
    rows = text.split("\n")
    places = key_lines(text)
    for header in sorted((places[path] - 1 for path in paths), reverse=True):
        first = header
        while first and rows[header].startswith("[[") and rows[first - 1].startswith("#"):
            first -= 1
        del rows[first:header]
    return "\n".join(rows)


class _Fixing:
    """One document being edited. Paths are those of the spec as it was compared."""

    def __init__(self, document: tomlkit.TOMLDocument) -> None:
        self.document = document

    def table(self, drift: Drift) -> Any:  # noqa: ANN401 - tomlkit's tables have no common type
        """Return the table that a drift is about; a common option gets one of its own."""
        if drift.path == ("common",):
            return self._declared(drift.key.split(".")[1])
        kind, at = drift.path[0], drift.path[1]
        return self.document[str(kind)][int(at)]

    def change(self, drift: Drift) -> None:
        """Give the keys that a change decides the values that the script calls for."""
        parsed = drift.parsed
        if parsed is None or (drift.change == "required" and self._handed_over(drift)):
            return
        table = self.table(drift)
        is_argument = drift.path[0] == "argument"
        wanted = (propose_argument(parsed) if is_argument else propose_option(parsed)).table
        for key in _KEYS[drift.change]:
            if drift.change == "required" and parsed.required:
                wanted["required"] = True
            if key not in wanted:
                table.pop(key, None)
            elif key != "metavar" or key not in table:
                table[key] = wanted[key]
        fits = {"limit": table.get("type") == "int", "dry-run": table.get("type") == "bool"}
        if not fits.get(str(table.get("role")), True) or "multiple" in table or "nargs" in table:
            table.pop("role", None)
        if table.get("required"):
            table.pop("default", None)
            table.pop("default-note", None)

    def _handed_over(self, drift: Drift) -> bool:
        """Whether the option never reaches the command line, so that no key of it makes up for that."""
        if drift.path == ("common",):
            return drift.key == "common.database-url"
        table = self.table(drift)
        return "pass-env" in table or "pass-stdin" in table

    def _declared(self, name: str) -> Table:
        """Return an `[[option]]` in place of the common option `name`."""
        common = next(option for option in COMMON_OPTIONS if option.name == name)
        found = next((table for table in self._array("option") if table.get("name") == name), None)
        if found is not None:
            return found  # type: ignore[no-any-return]  # what an array of tables holds
        table = tomlkit.table()
        for key in ("name", "type", "role", "help"):
            value = getattr(common, key)
            if value and value != "str":
                table[key] = value
        self._append("option", table)
        return table

    def _array(self, kind: str) -> AoT:
        if kind not in self.document:
            self.document[kind] = tomlkit.aot()
        found = self.document[kind]
        if not isinstance(found, AoT):
            # Written on one line, `option = [{ ... }]`: as tables they take comments and new keys.
            tables = tomlkit.aot()
            for entry in found.unwrap():
                tables.append(tomlkit.item(entry))
            self.document.remove(kind)
            self.document[kind] = tables
            return tables
        return found

    def _append(self, kind: str, table: Table) -> None:
        table.trivia.indent = "\n"  # a blank line before it
        self._array(kind).append(table)

    def drop_common(self, name: str) -> None:
        """Take a common option out of `common`, which may have been left to its default."""
        names = self.document.get("common", [option.name for option in COMMON_OPTIONS])
        self._set_common([str(other) for other in names if other != name])
        self._forget(name)

    def _set_common(self, names: list[str]) -> None:
        if "common" in self.document:
            self.document["common"] = names
        else:
            self._insert_before_tables("common", names)

    def _insert_before_tables(self, key: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
        """Add a key of the file's own: behind `script`, as a table's header would claim it further down."""
        body = self.document.body
        at = next(i for i, (k, _) in enumerate(body) if k is not None and k.key == "script")
        name = body[at][0]
        if name is not None:
            self.document._insert_after(name, key, value)  # noqa: SLF001 - tomlkit has no public way to insert

    def add(self, parsed: ParsedOption, *, before: bool, exclusive: bool) -> None:
        """Add what the script has added: to `common` where that fits, else a table of its own."""
        fit = common_fit(parsed) if parsed.flags and not before else None
        names = [str(name) for name in self.document.get("common", [o.name for o in COMMON_OPTIONS])]
        taken = {
            str(table["name"]) for kind in ("option", "argument") for table in self.document.get(kind, [])
        }
        if fit and fit not in taken:
            self._set_common([o.name for o in COMMON_OPTIONS if o.name in {*names, fit}])
            return
        if parsed.flags:
            shorts = {str(table.get("short", "")) for table in self.document.get("option", [])}
            shorts |= {"d"} if "database-url" in names else set()
            proposal = propose_option(
                parsed, taken={*taken, *names}, shorts=shorts, before=before, exclusive=exclusive
            )
        else:
            proposal = propose_argument(parsed, taken={*taken, *names})
        if not proposal.usable:
            return
        table = tomlkit.table()
        for text in [*(f"TODO: {todo}" for todo in proposal.todo), *proposal.notes]:
            table.add(tomlkit.comment(text))
        for key, value in proposal.table.items():
            table.add(key, value)
        self._append("option" if parsed.flags else "argument", table)

    def regroup(self, drift: Drift) -> None:
        """Write the script's exclusive group: over the spec's that it changes, else as a new one."""
        group = drift.group
        if group is None:
            return
        rule = "exactly-one" if group.required else "at-most-one"
        members = [self._name(flag) for flag in group.members]
        if drift.path[0] == "group":
            table = self.document["group"][int(drift.path[1])]
            table["rule"] = rule
            table["members"] = list(dict.fromkeys([*map(str, table["members"]), *members]))
            return
        table = tomlkit.table()
        table["members"] = members
        table["rule"] = rule
        self._append("group", table)

    def _name(self, flag: str) -> str:
        """Return the spec's name for the script's `flag`."""
        for table in self.document.get("option", []):
            if flag in (table.get("flag", f"--{table['name']}"), table.get("negate")):
                return str(table["name"])
        return flag.lstrip("-")

    def remove(self, drift: Drift) -> None:
        """Remove an option or argument, and where it is spoken of."""
        kind, at = str(drift.path[0]), int(drift.path[1])
        tables = self._array(kind)
        name = str(tables[at]["name"])
        del tables[at]
        if not tables:
            self.document.remove(kind)
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Take a name that is gone out of rules and lists."""
        groups = self.document.get("group", [])
        for at in reversed(range(len(groups))):
            members = [str(member) for member in groups[at]["members"] if member != name]
            if len(members) < 2:  # noqa: PLR2004 - a group of one is no group
                del groups[at]
            elif len(members) != len(groups[at]["members"]):
                groups[at]["members"] = members
        if "group" in self.document and not groups:
            self.document.remove("group")
        for table in [t for kind in ("option", "argument") for t in self.document.get(kind, [])]:
            _without(table, "requires", name)
            if name in table.get("required-if", {}):
                del table["required-if"][name]
                if not table["required-if"]:
                    del table["required-if"]
        if "postcondition" in self.document:
            _without(self.document["postcondition"], "skip-if-given", name)


def _without(table: Any, key: str, name: str) -> None:  # noqa: ANN401 - tomlkit's tables have no common type
    """Take `name` out of a list, and remove the list when nothing is left in it."""
    if name not in table.get(key, []):
        return
    kept = [str(other) for other in table[key] if other != name]
    if kept:
        table[key] = kept
    else:
        del table[key]
