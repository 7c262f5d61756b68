"""The keywords of an `add_argument` call as its source gives them, brought to what a `RawAction` holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.authoring.introspect import Opaque
from corpus_backfill_plugin.authoring.introspect_action import Converter, RawAction
from corpus_backfill_plugin.authoring.introspect_argparse import infer_dest
from corpus_backfill_plugin.authoring.introspect_values import Func, Inst, Klass, Ref, Value, outside, scalars

if TYPE_CHECKING:
    from collections.abc import Callable

_ACTION_CLASSES = {
    "argparse.BooleanOptionalAction": "boolean_optional",
    "argparse._StoreAction": "store",
    "argparse._StoreTrueAction": "store_true",
    "argparse._StoreFalseAction": "store_false",
    "argparse._AppendAction": "append",
    "argparse._CountAction": "count",
}


@dataclass(frozen=True)
class Made:
    """An object of a class from outside that is known: its dotted name."""

    name: str


def raw_action(
    words: tuple[str, ...],
    kwargs: dict[str, Value],
    line: int,
    prog: str,
    items: Callable[[Value], list[Value] | Opaque],
) -> RawAction:
    """Return the action that a call adds.

    Args:
        words: its positional arguments: flags, or the name of a positional.
        kwargs: its keywords.
        line: where the call stands.
        prog: what `%(prog)s` stands for.
        items: gives what iterating over a value gives, or why that is not known.
    """
    given: dict[str, Any] = {
        key: _keyword(key, value, items)
        for key, value in kwargs.items()
        if key not in {"action", "dest"} and not (key == "type" and value is None)
    }
    flags = tuple(word for word in words if word.startswith("-"))
    dest = infer_dest(flags, kwargs.get("dest")) if flags else str((*words, kwargs.get("dest", ""))[0])
    return RawAction(flags, dest, _action(kwargs.get("action")), given, "", line, prog)


def _keyword(key: str, value: Value, items: Callable[[Value], list[Value] | Opaque]) -> Value:
    if key == "type":
        return _converter(value)
    if key == "choices" and isinstance(value, Klass | dict):
        return scalars(items(value))
    if isinstance(value, Ref):
        return outside(value, value.short)
    return (
        Opaque("is an object of the script's") if isinstance(value, Inst | Func | Klass) else scalars(value)
    )


def _action(value: Value) -> str | Opaque:
    if value is None:
        return "store"
    if isinstance(value, Ref):
        return _ACTION_CLASSES.get(value.name, value.short)
    if isinstance(value, Klass):
        return value.name
    return value if isinstance(value, str | Opaque) else Opaque("its action is not known")


def _converter(value: Value) -> Converter | Opaque:
    if isinstance(value, Klass):
        return Converter(value.name, value.members() if value.is_enum else ())
    if isinstance(value, Ref | Made | Func):
        return Converter(value.name)
    return value if isinstance(value, Opaque) else Converter("something computed")
