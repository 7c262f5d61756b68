"""The probe's answer, JSON from the server's interpreter, to a ParserModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.parsers.model import (
    Kind,
    ParsedOption,
    ParsedType,
    ParserModel,
    Subcommand,
    Unknown,
)
from corpus_backfill_plugin.parsers.rules import (
    Choice,
    Computed,
    Converter,
    Exclusive,
    Member,
    Parser,
    RawAction,
    to_model,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from corpus_backfill_plugin.specs.model import Scalar

_CLASSES = {
    "_StoreAction": "store", "_StoreConstAction": "store_const", "_StoreTrueAction": "store_true",
    "_StoreFalseAction": "store_false", "_AppendAction": "append", "_AppendConstAction": "append_const",
    "_CountAction": "count", "_ExtendAction": "extend", "_HelpAction": "help", "_VersionAction": "version",
    "BooleanOptionalAction": "boolean_optional",
}  # fmt: skip


def model_of(answer: Mapping[str, Any], file: str) -> ParserModel:
    """Return the parser that an answer of the probe describes.

    Args:
        answer: what `probe.py` wrote, decoded.
        file: the script's name.
    """
    if answer["library"] == "argparse":
        return to_model(_parser(answer, file), strict=answer["method"] == "parse_args")
    return _click_model(answer)


def _parser(answer: Mapping[str, Any], file: str) -> Parser:
    given = {"description": answer["description"], "epilog": answer["epilog"]}
    parser = Parser(0, given, answer.get("prog") or file)
    for met in answer["actions"]:
        action = _raw(met, parser.prog)
        parser.actions.append(action)
    for group in answer["exclusive"]:
        members = [parser.actions[position] for position in group["members"]]
        parser.exclusives.append(Exclusive(group["required"], members))
    if answer["subcommands"]:
        parser.choice = Choice(parser, answer["subcommand_required"])
        parser.choice.entries = [
            (sub["name"], tuple(sub["aliases"]), sub["help"], _parser(sub["parser"], file))
            for sub in answer["subcommands"]
        ]
    return parser


def _raw(met: Mapping[str, Any], prog: str) -> RawAction:
    action = _CLASSES.get(met["class"], f"met:{met['class']}")
    flags = tuple(met["flags"])
    given = {key: _value(met[key]) for key in ("nargs", "const", "default", "choices", "metavar")}
    given = {key: value for key, value in given.items() if value is not None}
    if action == "boolean_optional":
        # The class itself adds the negative spellings, and older Pythons a default to the help.
        flags = tuple(flag for flag in flags if not flag.startswith("--no-") or f"--{flag[5:]}" not in flags)
        text = met["help"] or ""
        met = {**met, "help": text.removesuffix(" (default: %(default)s)")}
    if met["type"]:
        members = tuple(_value(member) for member in met["type"]["members"])
        given["type"] = Converter(met["type"]["name"], members)
    if met["help"] is not None:
        given["help"] = met["help"]
    given["required"] = met["required"]
    return RawAction(flags, met["dest"], action, given, met["group"], 0, prog)


def _value(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        return value
    if value["is"] == "list":
        return [_value(item) for item in value["items"]]
    if value["is"] == "member":
        return Member(value["enum"], value["name"], _value(value["value"]))
    return Computed(f"an object of the script's, {value['type']}")


def _click_model(answer: Mapping[str, Any]) -> ParserModel:
    params = [_click_option(param) for param in answer["params"] if not _prints_and_ends(param)]
    unknowns = [
        Unknown(0, f"{option.flag} {part}", reason)
        for option in params
        for part, reason in option.unsure.items()
    ]
    return ParserModel(
        library=answer["library"],
        description=_paragraphs(answer["description"]),
        epilog=_paragraphs(answer["epilog"]),
        options=tuple(option for option in params if option.flags),
        positionals=tuple(option for option in params if not option.flags),
        subcommands=tuple(
            Subcommand(name=sub["name"], help=sub["help"], parser=_click_model(sub["parser"]))
            for sub in answer["subcommands"]
        ),
        subcommand_required=answer["subcommand_required"],
        unknowns=tuple(unknowns),
    )


def _prints_and_ends(param: Mapping[str, Any]) -> bool:
    completion = {"--install-completion", "--show-completion"} & set(param["flags"])
    return bool(completion or (param["eager"] and {"--help", "--version"} & set(param["flags"])))


def _paragraphs(text: str | None) -> str:
    parts = (text or "").split("\f")[0].replace("\b", "").strip().split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in parts if part.strip())


_WORDS: dict[ParsedType, tuple[str, ...]] = {
    "str": ("text", "str", "string", "boolean", "bool", "choice"),
    "int": ("integer", "int", "integer range"),
    "float": ("float", "float range"),
    "path": ("path", "directory", "file", "filename", "purepath"),
    "uuid": ("uuid",),
}
_CLICK_TYPES = {word: type_ for type_, words in _WORDS.items() for word in words}


def _click_option(param: Mapping[str, Any]) -> ParsedOption:
    unsure: dict[str, str] = {}
    notes: list[str] = []
    kind = _click_kind(param)
    values, word = param["type"], str(param["type"]["word"])
    type_ = _CLICK_TYPES.get(word, "other")
    choices: tuple[Scalar, ...] = ()
    if values.get("choices"):
        items = _value(values["choices"])
        choices = tuple(item.name if isinstance(item, Member) else str(item) for item in items)
        type_ = "str"
    elif word in {"boolean", "bool"}:
        choices = ("true", "false")
    if kind not in {"value", "append"}:
        type_, choices = ("int" if kind == "count" else "bool"), ()
    default, note = _click_default(param, kind, type_, unsure)
    variables = _value(param["envvar"])
    if variables:
        names = [variables] if isinstance(variables, str) else list(variables)
        notes.append(f"the script also reads it from {' or '.join(map(str, names))}")
    nargs: Any = param["nargs"] if param["nargs"] > 1 else None
    if param["nargs"] < 0:
        nargs = "+" if param["required"] else "*"
    elif param["kind"] == "argument" and not param["required"]:
        nargs = nargs or "?"
    elif kind == "value" and isinstance(param["flag_value"], str) and not param["is_flag"]:
        nargs = "?"
    return ParsedOption(
        flags=tuple(param["flags"]) if param["kind"] == "option" else (),
        dest=param["name"],
        kind=kind,
        type=type_,
        type_name=word if type_ == "other" else "",
        choices=choices,
        ignore_case=values.get("case_sensitive") is False,
        min=_bound(values, "min"),
        max=_bound(values, "max"),
        default=default,
        default_note=note,
        required=bool(param["required"]),
        nargs=nargs,
        help=" ".join((param["help"] or "").split()),
        metavar=param["metavar"],
        hidden=param["hidden"],
        negative=(param["negative"] or [""])[0] if kind == "negatable" else "",
        unsure=unsure,
        notes=tuple(notes),
    )


def _click_kind(param: Mapping[str, Any]) -> Kind:
    if param["count"]:
        return "count"
    if param["negative"]:
        return "negatable"
    if param["is_flag"]:
        return "true" if param["flag_value"] is True or param["flag_value"] is None else "const"
    return "append" if param["multiple"] else "value"


def _bound(values: Mapping[str, Any], side: str) -> int | float | None:
    value = values.get(side)
    if values.get(f"{side}_open") and isinstance(value, int) and values["word"] == "integer range":
        return value + (1 if side == "min" else -1)
    return value if isinstance(value, int | float) and not values.get(f"{side}_open") else None


def _click_default(  # noqa: PLR0911 - a line for each sort of default
    param: Mapping[str, Any], kind: Kind, type_: ParsedType, unsure: dict[str, str]
) -> tuple[Scalar | tuple[Scalar, ...] | None, str]:
    value = _value(param["default"])
    if isinstance(value, Computed):
        return None, "computed by the script"
    if isinstance(value, Member):
        value = value.value
    if value is None or kind == "const" or (value is False and kind == "true"):
        return None, ""
    if isinstance(value, list):
        plain = [item.value if isinstance(item, Member) else item for item in value]
        items = tuple(item for item in plain if isinstance(item, str | int | float))
        if len(items) == len(plain):
            return items or None, ""
        unsure["default"] = "is made of objects of the script's"
        return None, ""
    if isinstance(value, bool) and type_ == "str":
        return str(value).lower(), ""
    if type_ in {"str", "path", "uuid", "other"} and not isinstance(value, str):
        return str(value), ""
    return (float(value) if type_ == "float" and isinstance(value, int) else value), ""
