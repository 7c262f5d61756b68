"""The JSON Schema of a spec file, made from the model, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any

import msgspec

from corpus_backfill_plugin.specs.model import Script

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a spec file; rules between several keys are beyond it, `specs check` has them."""
    (root,), components = msgspec.json.schema_components([Script], ref_template="#/$defs/{name}")
    return {
        "$schema": DIALECT,
        "title": "corpus-backfill spec",
        **root,
        "$defs": {name: _ended_by_dollar(schema) for name, schema in components.items()},
    }


def _ended_by_dollar(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    r"""Return `schema` with Python's `\Z` in patterns as `$`, as ECMA syntax ends a text."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" else _ended_by_dollar(value)
            for key, value in schema.items()
        }
    return [_ended_by_dollar(item) for item in schema] if isinstance(schema, list) else schema
