"""Runs a script up to the moment it reads its command line, and writes what its parser takes as JSON.

This file is executed by the server's interpreter, which has nothing of this package: it keeps to the
standard library and to Python 3.8. Called as ``python probe.py RESULT SCRIPT``; RESULT is a file that
the caller made, so that whatever the script prints is no part of the answer.
"""

import builtins
import enum
import json
import os
import runpy
import sys
from typing import Any

SUPPRESS = "==SUPPRESS=="
"""The value of ``argparse.SUPPRESS``."""
_MOST = 100_000
"""More items are counted, not listed."""
Thing = Any
"""An object of the script's or of its libraries, or JSON made of it: nothing is known of its type here."""


class Computed:
    """Stands for a value that is not known, by its source text or what else is known of it."""

    def __init__(self, text: str, *, holds_parser: bool = False) -> None:
        self.text = text
        self.holds_parser = holds_parser

    @property
    def reason(self) -> str:
        """Why nothing more is known, for messages."""
        return "computed when the script runs: " + self.text


class _ParserMet(BaseException):
    """Ends the script where it would parse; no ``except Exception`` of the script's stops it."""


def _write(path: Thing, answer: Thing) -> None:
    """Write the answer completely or not at all."""
    with open(path + ".part", "w", encoding="utf-8") as file:  # noqa: PTH123 - no need for pathlib here
        json.dump(answer, file)
    os.replace(path + ".part", path)  # noqa: PTH105 - no need for pathlib here


def _value(value: Thing) -> Thing:  # noqa: PLR0911 - a line for each sort of value
    """Return a value as JSON: scalars as they are, the rest in objects that say what they are."""
    if type(value).__name__ in ("Sentinel", "UnsetType"):
        return None  # click's own word for "not given"
    if isinstance(value, enum.Enum):
        return {"is": "member", "name": value.name, "value": _value(value.value)}
    if value is None or isinstance(value, (str, int, float)):
        return value if type(value) in (str, int, float, bool, type(None)) else type(value).__mro__[-2](value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple, set, frozenset, range)):
        if len(value) > _MOST:
            return _value(Computed(str(len(value)) + " of them"))
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
        return {"is": "list", "items": [_value(item) for item in items]}
    is_computed = isinstance(value, Computed)
    text = value.text if is_computed else "an object of the script's, " + type(value).__name__
    return {"is": "object", "text": text}


def _name(thing: Thing) -> Thing:
    """Return the dotted name of a callable."""
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    name = thing.__qualname__.split("<locals>.")[-1]
    module = getattr(thing, "__module__", None) or getattr(thing, "__objclass__", str).__module__
    owner = getattr(thing, "__self__", None)
    if isinstance(owner, type) and "." not in name:
        name = owner.__name__ + "." + name
    return name if module in ("builtins", "__main__") else module + "." + name


def _type(thing: Thing) -> Thing:
    """Return a ``type=`` callable: its name, and its members when it is an Enum."""
    if thing is None or isinstance(thing, Computed):
        return _value(thing)
    members = list(thing) if isinstance(thing, type) and issubclass(thing, enum.Enum) else []
    return {"name": _name(thing), "members": [_value(member) for member in members]}


def _action(action: Thing, titles: Thing) -> Thing:
    """Return one argparse action; `line` and `unread` are set where it was made from a source."""
    values = ("nargs", "const", "default", "required", "help", "metavar")
    answer: Thing = {name: _value(getattr(action, name)) for name in values}
    known = action.choices is None or isinstance(action.choices, (set, frozenset, range, Computed))
    answer["class"] = type(action).__name__
    answer.update(
        line=getattr(action, "line", 0),
        unread=getattr(action, "unread", ""),
        flags=list(action.option_strings),
        dest=action.dest if isinstance(action.dest, str) else "",
        type=_type(action.type),
        choices=_value(action.choices if known else list(action.choices)),
        group=titles.get(id(action), ""),
    )
    return answer


def describe(parser: Thing, method: Thing, seen: Thing = ()) -> Thing:
    """Return an ArgumentParser and those below it."""
    titles = {}
    own = {id(parser._optionals), id(parser._positionals)}  # noqa: SLF001 - there is no public way
    for group in parser._action_groups:  # noqa: SLF001 - as above
        if id(group) not in own:
            titles.update({id(action): group.title or "" for action in group._group_actions})  # noqa: SLF001
    answer: Thing = {name: _value(getattr(parser, name)) for name in ("prog", "description", "epilog")}
    answer.update(library="argparse", method=method, line=getattr(parser, "line", 0))
    answer.update(actions=[], exclusive=[], subcommands=[], subcommand_required=False)
    positions = {}
    for action in parser._actions:  # noqa: SLF001 - as above
        if type(action).__name__ == "_SubParsersAction":
            answer["subcommand_required"] = action.required is True
            answer["subcommands"] = _subcommands(action, method, seen)
            continue
        positions[id(action)] = len(answer["actions"])
        answer["actions"].append(_action(action, titles))
    for group in parser._mutually_exclusive_groups:  # noqa: SLF001 - as above
        members = [positions[id(a)] for a in group._group_actions if id(a) in positions]  # noqa: SLF001
        answer["exclusive"].append({"members": members, "required": _value(group.required)})
    return answer


def _subcommands(action: Thing, method: Thing, seen: Thing) -> Thing:
    helps = {choice.dest: choice.help for choice in action._choices_actions}  # noqa: SLF001 - as above
    names: Thing = {}
    for name, parser in action.choices.items():
        names.setdefault(id(parser), (parser, []))[1].append(name)
    return [
        {
            "name": words[0],
            "aliases": words[1:],
            "help": helps.get(words[0]) or "",
            "parser": describe(parser, method, (*seen, id(parser))),
        }
        for parser, words in names.values()
        if id(parser) not in seen
    ]


_TYPES = {
    "integer": "int", "integer range": "int", "float range": "float", "path": "pathlib.Path",
    "directory": "pathlib.Path", "file": "pathlib.Path", "filename": "pathlib.Path",
    "purepath": "pathlib.Path", "uuid": "uuid.UUID", "text": "str", "string": "str", "choice": "str",
    "boolean": "str", "bool": "str",
}  # fmt: skip
"""What click calls its types, and the callables that argparse has for them."""


def _click_type(param: Thing) -> Thing:
    """Return the type of a click parameter: its name, and what it says of its values."""
    kind = getattr(param, "type", None)
    if kind is not None:
        return dict(vars(kind), word=getattr(kind, "name", ""))
    # A Typer that has no click types any more has annotations.
    described = param.type_descriptor
    annotation = (getattr(described.annotation, "__args__", None) or [described.annotation])[0]
    found = {"word": getattr(annotation, "__name__", "").lower(), "min": param.min, "max": param.max}
    if getattr(described, "is_choice", False) and described.choices is not None:
        choices = [one.value if isinstance(one, enum.Enum) else one for one in described.choices]
        found.update(choices=choices, case_sensitive=bool(described.case_sensitive))
    return found


def _click_param(param: Thing) -> Thing:
    """Return one parameter of a click command, in argparse's words."""
    kind, negative = _click_type(param), list(param.secondary_opts)
    word, name = kind["word"], _click_class(param)
    takes_value = name in ("_StoreAction", "_AppendAction")
    choices = ["true", "false"] if word in ("boolean", "bool") else None
    if kind.get("choices"):
        word = "choice"
        choices = [one.name if isinstance(one, enum.Enum) else str(one) for one in kind["choices"]]
    default = Computed("computed by the script") if callable(param.default) else param.default
    default = _without_members(_value(default))
    if isinstance(default, bool) and takes_value:
        default = str(default).lower()
    names = getattr(param, "envvar", None) or []
    names = [names] if isinstance(names, str) else names
    return {
        "class": name,
        "flags": list(param.opts) if param.param_type_name == "option" else [],
        "negative": negative[0] if negative else "",
        "dest": param.name,
        "nargs": _click_nargs(param, name),
        "default": default,
        "type": {"name": _TYPES.get(word, word), "members": []},
        "choices": _value(choices if takes_value else None),
        "ignore_case": kind.get("case_sensitive") is False,
        "min": _bound(kind, "min", 1),
        "max": _bound(kind, "max", -1),
        "required": bool(param.required),
        "help": _click_text(getattr(param, "help", None)),
        "hidden": bool(getattr(param, "hidden", False)),
        "metavar": _value(getattr(param, "metavar", None)),
        "notes": ["the script also reads it from " + " or ".join(map(str, names))] if names else [],
    }


def _without_members(described: Thing) -> Thing:
    """Return a described value with the values of an Enum's members in their place."""
    if isinstance(described, dict) and described["is"] == "list":
        return {"is": "list", "items": [_without_members(item) for item in described["items"]]}
    return described["value"] if isinstance(described, dict) and described["is"] == "member" else described


def _click_class(param: Thing) -> str:
    if getattr(param, "count", False):
        return "_CountAction"
    if param.secondary_opts:
        return "BooleanOptionalAction"
    if getattr(param, "is_flag", False):
        is_on = _value(getattr(param, "flag_value", None)) in (True, None)
        return "_StoreTrueAction" if is_on else "_StoreConstAction"
    return "_AppendAction" if getattr(param, "multiple", False) else "_StoreAction"


def _click_nargs(param: Thing, name: str) -> Thing:
    if param.nargs < 0:
        return "+" if param.required else "*"
    if param.nargs > 1:
        return param.nargs
    optional = param.param_type_name == "argument" and not param.required
    optional = optional or (name == "_StoreAction" and isinstance(getattr(param, "flag_value", None), str))
    return "?" if optional else None


def _bound(kind: Thing, side: str, step: int) -> Thing:
    """Return the smallest or largest value that is allowed; of a range that is open there, the next one."""
    if not kind.get(side + "_open"):
        return kind.get(side)
    return kind[side] + step if kind["word"] == "integer range" else None


def _click_text(text: Thing) -> str:
    return (text or "").split("\f")[0].replace("\b", "").replace("%", "%%")


_PRINTING = {"--install-completion", "--show-completion"}


def _click(command: Thing, library: Thing) -> Thing:
    """Return a click command and those below it."""
    below = getattr(command, "commands", None) or {}
    ending = [p for p in command.params if p.is_eager and {"--help", "--version"} & set(p.opts)]
    return {
        "library": library,
        "method": "parse_args",
        "description": _click_text(command.help),
        "epilog": _click_text(command.epilog),
        "actions": [
            _click_param(p) for p in command.params if p not in ending and not _PRINTING & set(p.opts)
        ],
        "subcommands": [
            {"name": name, "help": _click_text(sub.get_short_help_str(200)), "parser": _click(sub, library)}
            for name, sub in below.items()
        ],
        "subcommand_required": bool(below) and not getattr(command, "invoke_without_command", False),
    }  # fmt: skip


def _intercept(result: Thing) -> None:
    """Replace what parses in argparse, click, and Typer's own copy of click."""
    import argparse

    def parse_known_args(self: Thing, *_args: Thing, **_kwargs: Thing) -> Thing:
        caller = sys._getframe(1).f_code.co_name  # noqa: SLF001 - how the script called it is asked
        _write(result, describe(self, caller if caller == "parse_args" else "parse_known_args"))
        raise _ParserMet

    def main(self: Thing, *_args: Thing, **_kwargs: Thing) -> Thing:
        _write(result, _click(self, "typer" if "typer" in type(self).__module__ else "click"))
        raise _ParserMet

    argparse.ArgumentParser.parse_known_args = parse_known_args  # type: ignore[method-assign]  # that is the point
    plain_import = builtins.__import__
    done = set()

    def watching_import(*args: Thing, **kwargs: Thing) -> Thing:
        # Click and Typer are not imported here: a script that has no use for them must not pay for them.
        module = plain_import(*args, **kwargs)
        for name in ("click.core", "typer._click.core", "typer.core"):
            core = sys.modules.get(name)
            for owner_name in ("BaseCommand", "Command", "Group", "TyperCommand", "TyperGroup"):
                owner = vars(core).get(owner_name) if core is not None else None
                if owner is not None and owner not in done and "main" in vars(owner):
                    done.add(owner)
                    owner.main = main
        return module

    builtins.__import__ = watching_import


def run(result: Thing, script: Thing) -> None:
    """Run ``script`` until it parses; the file ``result`` says how that went."""
    sys.argv = [script]
    sys.path[0] = os.path.dirname(os.path.abspath(script))  # noqa: PTH100, PTH120 - no need for pathlib here
    try:
        _intercept(result)
        runpy.run_path(script, run_name="__main__")
    except _ParserMet:
        return
    except ImportError as error:
        _write(result, {"failed": "import", "module": error.name or "", "message": str(error)})
    except SystemExit as end:
        _write(result, {"failed": "exit", "code": str(end.code)})
    except BaseException as error:  # noqa: BLE001 - whatever the script does is reported
        trace, line = error.__traceback__, 0
        while trace is not None:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == script else line
            trace = trace.tb_next
        message = str(error).splitlines() or [""]
        _write(result, {"failed": "error", "type": type(error).__name__, "message": message[0], "line": line})
    else:
        _write(result, {"failed": "end"})


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
    # Threads and exit handlers of the script's must not go on after the answer is written.
    sys.stdout.flush()
    os._exit(0)
