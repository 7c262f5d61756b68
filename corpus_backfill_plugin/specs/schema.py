"""The model's JSON Schema: for editors, and to judge parsed TOML by, in words of its author.

msgspec stops at the first error and speaks of types. Here each key is compared with its declaration alone,
and what does not fit is left out, so that the rest can still be judged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from corpus_backfill_plugin.specs import model
from corpus_backfill_plugin.specs.diagnostics import Diagnostic
from corpus_backfill_plugin.text import kind, listed, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpus_backfill_plugin.specs.diagnostics import KeyPath

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PATTERNS = {
    model.NAME_PATTERN: ("lower case words joined by dashes", ""),
    model.FLAG_PATTERN: ("an option as a script spells it", "write it with its dashes, like --name"),
    model.UNLISTED_PATTERN: ("an option as a script spells it", "write it like --name or --name=choice"),
    model.ENV_PATTERN: ("the name of an environment variable", ""),
    model.DURATION_PATTERN: ("a duration", "write it like 90s, 12h or 1h30m"),
    r"^[A-Za-z0-9]\Z": ("one letter or digit, without a dash", ""),
}
"""What each pattern of the model asks for, and how to write it."""

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "array": ((list,), "a list"),
    "object": ((dict,), "a table"),
}
"""What TOML's reader makes of each type of JSON, and how people call it."""

_REQUIRED: dict[str, tuple[Any, str]] = {
    "spec-version": (1, "1"),
    "script": ("script.py", "'name.py'"),
    "name": ("stand-in", "'the-name'"),
    "members": (("stand-in", "stand-in"), "['one-option', 'another']"),
    "rule": ("at-most-one", "'at-most-one'"),
}
"""What stands in for a key that is missing or does not fit, and an example of it."""

_GUESSES = 100
"""Diagnostics after which no guess is made for an unknown key: a file of noise is refused quickly too."""

_LARGEST = 2**63 - 1  # the largest whole number that msgspec compares with a bound


def json_schema() -> dict[str, Any]:
    """Return the schema of a spec file; rules between several keys are beyond it, `specs check` has them."""
    (root,), tables = msgspec.json.schema_components([model.Script], ref_template="#/$defs/{name}")
    # ECMA syntax ends a text by $, Python's by \Z.
    tables = msgspec.json.decode(msgspec.json.encode(tables).replace(rb"\\Z", b"$"))
    return {"$schema": DIALECT, "title": "corpus-backfill spec", **root, "$defs": tables}


def fit(raw: dict[str, Any], table: type[_Struct]) -> tuple[_Struct, list[Diagnostic]]:
    """Return `raw` as a `table`, without what does not fit, and every diagnostic.

    With some, the result serves further checks only: something stands in for what is required.
    """
    fitting = _Fitting(table)
    kept = fitting.table(raw, table.__name__, ())
    return msgspec.convert(kept, table), fitting.found


class _Fitting:
    """One file compared with its schema. UNSET is returned for a value that does not fit."""

    def __init__(self, root: type[msgspec.Struct]) -> None:
        _, self.tables = msgspec.json.schema_components([root], ref_template="{name}")
        self.file_keys = self.tables[root.__name__]["properties"]
        self.found: list[Diagnostic] = []
        self.named = 0

    def _refuse(self, path: KeyPath, problem: str, hint: str = "") -> Any:  # noqa: ANN401 - UNSET
        self.found.append(Diagnostic(path, problem, hint))
        return msgspec.UNSET

    def table(self, raw: dict[str, Any], name: str, path: KeyPath) -> dict[str, Any]:
        declared = self.tables[name]["properties"]
        kept = self._stand_ins(name)
        for key, value in raw.items():
            if key in declared:
                fitted = self.value(value, declared[key], (*path, key))
                if fitted is not msgspec.UNSET:
                    kept[key] = fitted
            elif key in self.file_keys:
                self._refuse((*path, key), "is a key of the file itself", "move it up, above the tables")
            else:
                near = nearest(key, declared) if len(self.found) < _GUESSES else ""
                hint = near or f"known here are {', '.join(declared)}"
                self._refuse((*path, key), "unknown key", hint)
        for key in self.tables[name]["required"]:
            if key not in raw:
                hint = f"add {key} = {_REQUIRED[key][1]}"
                self._refuse((*path, key), "missing, and required", hint)
        return kept

    def _stand_ins(self, name: str) -> dict[str, Any]:
        kept = {key: _REQUIRED[key][0] for key in self.tables[name]["required"]}
        if "name" in kept:
            self.named += 1
            kept["name"] += f"-{self.named}"  # no two by one name
        return kept

    def value(self, value: Any, schema: dict[str, Any], path: KeyPath) -> Any:  # noqa: ANN401 - any parsed TOML
        forms = [form for form in schema.get("anyOf", [schema]) if form.get("type") != "null"]
        if allowed := [word for form in forms for word in form.get("enum", ())]:
            booleans = (True, False) if any(form.get("type") == "boolean" for form in forms) else ()
            return self._word(value, (*booleans, *allowed), path)
        for form in forms:
            accepted, _ = _TYPES[form.get("type", "object")]
            if isinstance(value, accepted) and (bool in accepted or not isinstance(value, bool)):
                return self._of_type(value, form, path)
        tables = forms[0].get("items", {}).get("$ref")
        if tables:
            return self._refuse(path, f"expected tables, got {kind(value)}", f"write [[{tables.lower()}]]")
        words = _words(forms)
        return self._refuse(path, f"expected {words}, got {kind(value)}", _respelt(value, words))

    def _word(self, value: Any, allowed: tuple[Any, ...], path: KeyPath) -> Any:  # noqa: ANN401 - as above
        if any(type(value) is type(one) and value == one for one in allowed):
            return value
        texts = [one for one in allowed if isinstance(one, str)]
        hint = nearest(value, texts) if isinstance(value, str) else ""
        if isinstance(value, str) and value in map(str, allowed):
            hint = f"write {value} without quotes"
        few = "is not" if len(allowed) == 1 else "is not one of"
        return self._refuse(path, f"{quoted(value)} {few} {listed(allowed)}", hint)

    def _of_type(self, value: Any, schema: dict[str, Any], path: KeyPath) -> Any:  # noqa: ANN401 - as above
        if "$ref" in schema:
            return self.table(value, schema["$ref"], path)
        if isinstance(value, list):
            return self._list(value, schema, path)
        if isinstance(value, dict):
            of = schema["additionalProperties"]
            fitted = {key: self.value(item, of, (*path, key)) for key, item in value.items()}
            return {key: item for key, item in fitted.items() if item is not msgspec.UNSET}
        problem, hint = _problem(value, schema)
        if problem.endswith(_PATTERNS[model.NAME_PATTERN][0]) and (path[0], path[-1]) == ("option", "name"):
            hint = _respelt_name(value)
        return self._refuse(path, problem, hint) if problem else value

    def _list(self, value: list[Any], schema: dict[str, Any], path: KeyPath) -> Any:  # noqa: ANN401 - as above
        few = len(value) < schema.get("minItems", 0)
        if few:
            self._refuse(path, f"has {len(value)}, needs at least {schema['minItems']}")
        fitted = [self.value(item, schema["items"], (*path, at)) for at, item in enumerate(value)]
        table = schema["items"].get("$ref")
        if table:  # the positions of those that follow are kept
            return [self._stand_ins(table) if item is msgspec.UNSET else item for item in fitted]
        return msgspec.UNSET if few or any(item is msgspec.UNSET for item in fitted) else fitted


def _problem(value: Any, schema: dict[str, Any]) -> tuple[str, str]:  # noqa: ANN401 - as above
    """Return what is wrong with a text or a number, and a hint; nothing where it is within its limits."""
    if not isinstance(value, str):
        low, high = schema.get("minimum"), schema.get("maximum", _LARGEST)
        if low is None or low <= value <= high:
            return "", ""
        return (
            f"{quoted(value)} is {'less' if value < low else 'more'} than {low if value < low else high}",
            "",
        )
    if len(value) < schema.get("minLength", 0):
        return "must not be empty", ""
    if len(value) > schema.get("maxLength", len(value)):
        return f"{len(value)} characters, {schema['maxLength']} at most", ""
    pattern = schema.get("pattern", "")
    words, hint = _PATTERNS.get(pattern, ("", ""))
    return ("", "") if re.search(pattern, value) else (f"{quoted(value)} is not {words}", hint)


def _words(forms: Sequence[dict[str, Any]]) -> str:
    names = [_TYPES[form.get("type", "object")][1] for form in forms]
    if {"text", "a number", "true or false"} <= set(names):
        return "a single value or a list" if "a list" in names else "a single value"
    if "a number" in names:
        names.remove("a whole number")
    return " or ".join(names)


def _respelt(value: object, wanted: str) -> str:
    """Return how `value` is written as what is wanted; nothing where it can't be known."""
    if not isinstance(value, str):
        wants_text = wanted.startswith(("text", "a single value")) and not isinstance(value, list | dict)
        return "put it in quotes" if wants_text else ""
    if wanted == "a list":
        return f"put it in brackets: [{quoted(value)}]"
    is_number = wanted == "a whole number" and re.fullmatch(r"[+-]?[0-9]+", value)
    is_bool = wanted == "true or false" and value.lower() in {"true", "false"}
    return f"write {value.lower()} without quotes" if is_number or is_bool else ""


def _respelt_name(name: str) -> str:
    """Return how a name with underscores or capitals, as the script spells it, is written in a spec."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name.lstrip("-")).lower().replace("_", "-")
    if plain == name or not re.search(model.NAME_PATTERN, plain):
        return ""
    return f"write name = {quoted(plain)}" + (f", flag = {quoted('--' + name)}" if name[0] != "-" else "")
