"""The base of the values that are passed on: fields from annotations, by name, frozen.

`dataclasses` writes and compiles the methods of each class when it is imported, 0.3 to 5 ms each, for which
every run would wait. As far as they are alike, the names are those of named tuples.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, dataclass_transform


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Value:
    """A frozen value; equal to one of its class with equal fields.

    A default is shared by all values that have it, so it must never be changed.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _field_types: ClassVar[dict[str, str]] = {}
    _field_defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, *, kw_only: bool = True) -> None:
        """Collect the fields, those of the bases first; only type checkers look at `kw_only`."""
        del kw_only
        types, defaults = dict[str, str](), dict[str, Any]()
        for kind in reversed(cls.__mro__[:-1]):
            own = {} if kind is Value else kind.__dict__.get("__annotations__", {})  # noqa: RUF063  of this class alone
            types |= own
            defaults |= {name: kind.__dict__[name] for name in own if name in kind.__dict__}
        cls._fields, cls._field_types, cls._field_defaults = tuple(types), types, defaults

    def __init__(self, *values: Any, **named: Any) -> None:  # noqa: ANN401  of the fields' types
        """Set the fields, given by position or name; a TypeError when one is missing or unknown."""
        facts = self.__dict__
        facts.update(self._field_defaults, **dict(zip(self._fields, values, strict=False)), **named)
        if len(facts) != len(self._fields) or not facts.keys() <= {*self._fields}:
            wrong = ", ".join(sorted(facts.keys() ^ {*self._fields}))
            raise TypeError(f"{type(self).__name__}: missing or unknown: {wrong}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields, where a class has more to say than their types."""

    def __setattr__(self, name: str, _: object) -> None:
        """Refuse: it is frozen."""
        raise AttributeError(f"{type(self).__name__}.{name} can't be set")

    def __eq__(self, other: object) -> bool:
        """Compare class and fields."""
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        """Return a hash of the fields, all of which must have one."""
        return hash(tuple(self.__dict__[name] for name in self._fields))

    def __repr__(self) -> str:
        """Return it as it would be made."""
        facts = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
        return f"{type(self).__name__}({facts})"


V = TypeVar("V", bound=Value)


def replace(value: V, **changes: Any) -> V:  # noqa: ANN401  of the fields' types
    """Return `value` with other values in the fields named."""
    return type(value)(**(value.__dict__ | changes))
