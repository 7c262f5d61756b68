"""Everything that concerns several keys of a spec at once: the rules, and how they are applied.

No rule reports what follows from the error of another: what a misspelt key or a wrong type would make it say
wrongly is left out here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.agent.templates import Template, TemplateError
from corpus_backfill_plugin.specs.diagnostics import Diagnostic
from corpus_backfill_plugin.specs.model import NAME_PATTERN
from corpus_backfill_plugin.specs.parameter_rules import (
    broken_by,
    doubles,
    not_allowed,
    variable_problem,
    wrong,
)
from corpus_backfill_plugin.specs.values import parse_duration
from corpus_backfill_plugin.text import listed, nearest, one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from corpus_backfill_plugin.specs.diagnostics import Found, KeyPath
    from corpus_backfill_plugin.specs.model import Argument, Option, Output, Script

RESERVED_COMMANDS = frozenset({"runs", "specs", "doctor", "status"})  # commands of the group itself
RESERVED_OPTIONS = frozenset((
    "debug", "detach", "help", "no-record", "no-verify", "plan", "python", "server-path", "show-command",
    "timeout", "verify", "version", "wait", "yes",
))  # fmt: skip
"""Long options of the commands themselves, on every script."""

RESERVED_SHORTS = frozenset({"h"})  # short options of the commands themselves
_MAX_NAME = 64


def check_script(script: Script, name: str, unread: frozenset[KeyPath] = frozenset()) -> list[Diagnostic]:
    """Return all that is wrong between the keys of `script`, the spec of the command `name`.

    Where keys were unknown, missing or of a wrong type, at `unread`, what rules find is left out.
    """
    findings = _findings(script, name, names_known=not any(map(_hides_a_name, unread)))
    found = [Diagnostic(*finding) for finding in findings]
    doubtful = {_doubtful(path) for path in unread}
    return [f for f in found if not any(f.path[: end + 1] in doubtful for end in range(len(f.path)))]


def _findings(script: Script, name: str, *, names_known: bool) -> Iterator[Found]:
    yield from _command(script, name)
    for path, parameter in _tables(script):
        yield from (((*path, *place), problem, hint) for place, problem, hint in broken_by(parameter))
    for rule in SCRIPT_RULES + (REFERENCE_RULES if names_known else ()):
        yield from rule(script)


def _hides_a_name(path: KeyPath) -> bool:
    return len(path) == 1 or (path[0] in {"option", "argument"} and path[2:3] in {(), ("name",)})


def _doubtful(path: KeyPath) -> KeyPath:
    """Return the table that is judged as one, where one unreadable key makes all of it doubtful."""
    return path[: {"postcondition": 1, "option": 2, "argument": 2, "group": 2}.get(str(path[0]))]


def _tables(script: Script) -> Iterator[tuple[KeyPath, Option | Argument]]:
    for position, option in enumerate(script.option):
        yield ("option", position), option
    for position, argument in enumerate(script.argument):
        yield ("argument", position), argument


def _command(script: Script, name: str) -> Iterator[Found]:
    if name in RESERVED_COMMANDS:
        yield (), f"{quoted(name)} is a command of the program itself", "rename the file"
    elif not re.search(NAME_PATTERN, name) or len(name) > _MAX_NAME:
        what = (
            f"the file's name is the command's, and {quoted(name)} is not lower case words joined by dashes"
        )
        yield (), what, "rename the file"
    for position, example in enumerate(script.examples):
        if example.split()[:1] != [name]:
            yield ("examples", position), f"does not begin with {quoted(name)}, the command's name", ""
        elif one_line(example) != example:
            yield ("examples", position), "is not one plain line", ""


_ONCE = {
    "name": ("'{0}' is taken by {1}", "choose another", "choose another, or leave '{2}' out of common"),
    "short": ("-{0} is taken by {1}", "choose another", "choose another"),
    "flag": ("{0} is sent by {1} already", "choose another", "choose another, or leave '{2}' out of common"),
    "pass_env": ("{0} is set by {1} already", "choose another", "choose another"),
    "pass_stdin": ("standard input is taken by {1}", "use pass-env", ""),
    "role": ("'{0}' is the role of {1} already", "remove one of them", "leave '{2}' out of common"),
}
"""What only one may have: the problem where two do, and a hint, another where a common option has it."""


def _claims(script: Script) -> Iterator[tuple[str, Any, KeyPath, str]]:
    """Yield what is claimed, by kind, place and owner; common options and constants have no place."""
    for option in script.common_options:
        owner = f"the common option --{option.name}"
        yield "name", option.name, (), owner
        yield "flag", "" if option.pass_env else option.script_flag, (), owner
        yield from ((kind, getattr(option, kind), (), owner) for kind in _CLAIMED)
    yield from (("pass_env", name, (), "[env]") for name in script.env)
    seen: set[str] = set()
    named = {name for option in script.option for name in (option.name, *option.aliases)}
    for position, option in enumerate(script.option):
        path, owner, off = ("option", position), f"option {option.name}", option.negate or ""
        yield "name", option.name, (*path, "name"), owner
        yield from (("name", a, (*path, "aliases", number), owner) for number, a in enumerate(option.aliases))
        yield from (
            (kind, getattr(option, kind), (*path, kind.replace("_", "-")), owner) for kind in _CLAIMED
        )
        if off != option.script_flag and off.startswith("--"):
            yield "name", off[2:], (*path, "negate"), owner
        if not (option.pass_env or option.pass_stdin or option.name in seen):
            yield "flag", option.script_flag, (*path, "flag" if option.flag else "name"), owner
            if off[2:] not in named and off != option.script_flag:
                yield "flag", off, (*path, "negate"), owner
        seen.add(option.name)
    for position, argument in enumerate(script.argument):
        yield "name", argument.name, ("argument", position, "name"), f"argument {argument.name}"


_CLAIMED = ("short", "pass_env", "pass_stdin", "role")


def _claimed_once(script: Script) -> Iterator[Found]:
    """What the operator types, the script is sent, and the core looks for belongs to one option."""
    owners: dict[tuple[str, Any], str] = {}
    for kind, thing, path, owner in _claims(script):
        if kind == "name" and thing in RESERVED_OPTIONS and path[:1] == ("option",):
            hint = f"choose another name, and write flag = '--{thing}'" if path[2:] == ("name",) else ""
            yield path, f"--{thing} is an option of the command itself", hint or "choose another"
        elif kind == "short" and thing in RESERVED_SHORTS:
            yield path, f"-{thing} is help", "choose another"
        elif path and (first := owners.get((kind, thing))):
            problem, hint, common_hint = _ONCE[kind]
            common = first.partition("common option --")[2]
            by = "an earlier option" if first == owner and path[-1] == "name" else first
            yield path, problem.format(thing, by), (common_hint if common else hint).format(thing, by, common)
        elif thing:
            owners.setdefault((kind, thing), owner)


def _script_file(script: Script) -> Iterator[Found]:
    """The name cannot lead out of the server's folder, nor be taken for an option or a hidden file."""
    name = script.script
    if "/" in name or "\\" in name or name in {".", ".."}:
        last = name.replace("\\", "/").rpartition("/")[2]
        hint = f"write {quoted(last)}" if last.strip(".") else ""
        yield ("script",), f"{quoted(name)} is not a bare file name", hint
    elif name.startswith(("-", ".", "~")):
        yield ("script",), f"{quoted(name)} begins with {quoted(name[0])}", "rename the script"
    elif one_line(name) != name or name != name.strip():
        yield ("script",), f"{quoted(name)} holds blanks at its ends, or control characters", ""


def _environment(script: Script) -> Iterator[Found]:
    """Constants choose no code, and don't compete with what an option hands over."""
    taken = {option.pass_env: option.name for option in script.common_options}
    for name in script.env:
        if problem := variable_problem(name):
            yield ("env", name), problem, "remove it" if "is not for specs" in problem else ""
        elif name in taken:
            hint = f"remove it, or leave {quoted(taken[name])} out of common"
            yield ("env", name), f"{name} is set by the common option --{taken[name]}", hint


def _arguments(script: Script) -> Iterator[Found]:
    """Which value belongs to which argument is plain from their number."""
    optional = ""
    for position, argument in enumerate(script.argument):
        path: KeyPath = ("argument", position)
        if argument.multiple and position < len(script.argument) - 1:
            what = "takes any number of values, and is not the last"
            yield (*path, "multiple"), what, "move it to the end"
        if argument.multiple and argument.nargs:
            yield (*path, "nargs"), "does not go with multiple", "remove one of them"
        if argument.required and optional:
            what = f"is required, and stands after {optional}, which is not"
            yield (*path, "required"), what, "put required arguments first"
        if not argument.required:
            optional = argument.name


def _keys(script: Script) -> Iterator[Found]:
    """Lists have no doubles, times are not zero, and single keys have what they need."""
    after = script.postcondition
    yield from doubles(("common",), script.common)
    yield from doubles(("success-codes",), script.success_codes)
    for place, text in (
        (("timeout",), script.timeout),
        (("postcondition", "timeout"), after and after.timeout),
    ):
        try:
            if text and not parse_duration(text):
                yield place, f"{quoted(text)} is no time at all", ""
        except ValueError as error:
            yield place, str(error), ""
    word = script.subcommand or ""
    yield from wrong((
        ("short-help", "\n" in script.short_help, "is more than one line", "put the rest into help"),
        ("deprecated", script.deprecated == "", "empty", "write true, or what to use instead"),
        ("subcommand", word.startswith("-"), f"{quoted(word)} begins with a dash", "use fixed-args"),
    ))  # fmt: skip
    for position, option in enumerate(script.option):
        if option.before_subcommand and script.subcommand is None:
            at = ("option", position, "before-subcommand")
            yield at, "there is no subcommand", "add subcommand, or remove it"


_TEMPLATE_NAMES = {"progress": ("done", "total", "rate"), "failed": ("item", "reason")}
"""Names that are read; the first of each is needed."""


def _each_template(output: Output) -> Iterator[tuple[str, KeyPath, str]]:
    for key in ("progress", "failed", "result"):
        value = getattr(output, key)
        if isinstance(value, str) and (key, value) != ("progress", "tqdm"):
            yield key, ("output", key), value
        elif value and not isinstance(value, str):
            yield from ((key, ("output", key, place), text) for place, text in enumerate(value))


def _templates(script: Script) -> Iterator[Found]:
    """Each template can be matched, and has the names that it is read for."""
    for key, path, text in _each_template(script.output) if script.output else ():
        known = _TEMPLATE_NAMES.get(key, ())
        try:
            names = Template(text, counts=key != "failed").names
        except TemplateError as error:
            yield path, str(error), error.hint
            continue
        if known and known[0] not in names:
            yield path, f"has no {{{known[0]}}}", f"write {{{known[0]}}} where that stands"
        for name in names:
            if known and name not in known:
                hint = nearest(name, known) or "write {} for what is to be passed over"
                yield path, f"{{{name}}} is not one of {listed(known)}", hint


def _postcondition(script: Script) -> Iterator[Found]:
    """A count needs something that counts, and something to be expected of it."""
    after = script.postcondition
    if after is None:
        return
    yield from wrong((
        ("run", after.run and not after.expect,
         "nothing is expected of it", "add expect = { pending = 0 }"),
        ("expect", after.expect and not after.run,
         "nothing counts it", "add run, the arguments that make the script count"),
        ("skip-if-given", after.skip_if_given and not after.run,
         "there is no run to skip", "add run, or remove it"),
    ), ("postcondition",))  # fmt: skip
    if not after.run and not after.expect and after.max_failed is None:
        yield ("postcondition",), "proves nothing", "add run and expect, or max-failed"


def _expected_counts(script: Script) -> Iterator[Found]:
    """What is expected is a name in some result template."""
    texts = script.output.result if script.output else ()
    try:
        names = [name for text in texts for name in Template(text, counts=True).names]
    except TemplateError:
        return  # reported already, and the names are not known
    for name in script.postcondition.expect if script.postcondition else ():
        if name not in names:
            what = f"no template of output.result has {{{name}}}"
            hint = nearest(name, names) or f"add '^{name}={{{name}}}' to output.result"
            yield ("postcondition", "expect", name), what, hint


def _unknown(path: KeyPath, name: str, names: Collection[str]) -> Iterator[Found]:
    if name not in names:
        hint = nearest(name, names) or (f"known are {', '.join(names)}" if names else "there is none")
        yield path, f"no option is called {quoted(name)}", hint


def _referred(script: Script) -> Iterator[Found]:
    """Options and arguments that others name exist, and can have the values that are named."""
    known = {parameter.name: parameter for parameter in script.parameters}
    for path, parameter in _tables(script):
        for position, name in enumerate(parameter.requires):
            yield from _unknown((*path, "requires", position), name, known)
        for name, value in parameter.required_if.items():
            place = (*path, "required-if", name)
            yield from _unknown(place, name, known)
            if name in known and (problem := not_allowed(known[name], value)):
                yield place, f"{name} never has this value: {problem[0]}", problem[1]
    for position, name in enumerate(script.postcondition.skip_if_given if script.postcondition else ()):
        yield from _unknown(("postcondition", "skip-if-given", position), name, known)


def _members(script: Script) -> Iterator[Found]:
    """A group has options of this command, each once, and its rule leaves the operator a choice."""
    options = {option.name: option for option in script.options}
    for number, group in enumerate(script.group):
        path: KeyPath = ("group", number, "members")
        yield from doubles(path, group.members)
        for position, name in enumerate(group.members):
            yield from _unknown((*path, position), name, options)
            if name in options and options[name].required and group.rule != "all-or-none":
                says_nothing = group.rule == "at-least-one"
                then = "the rule says nothing" if says_nothing else "no other may ever be given"
                yield (*path, position), f"{name} is required, so {then}", "remove required, or the member"


SCRIPT_RULES: tuple[Callable[[Script], Iterator[Found]], ...] = (
    *(_claimed_once, _script_file, _environment, _arguments, _keys),
    *(_templates, _postcondition, _expected_counts),
)
"""Rules for the complete spec."""

REFERENCE_RULES: tuple[Callable[[Script], Iterator[Found]], ...] = (_referred, _members)
"""Rules for the complete spec that need every option's name to be known."""
