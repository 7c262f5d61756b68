"""The difference between a spec and the parser of its script.

The two should take the same. Not drift is what a spec does on purpose and can say:

* `default-note`: its author knows what the script does by itself, so that the spec may send another default,
  or require what the script does not. Without a default nothing is sent, which always fits.
* `unlisted` names what the spec leaves out: an option, a choice (`--model=huge`), all further (`--model=*`).
* A flag in `fixed-args` or `postcondition.run` needs no option. Those in `postcondition.run` have to be the
  script's: one that ignores them would work instead of counting.
* A stricter form of plain text (a date), stricter rules between options, its own help and names.

What could not be known of the script gives a note, never drift.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from corpus_backfill_plugin.authoring.propose import Leaf, propose
from corpus_backfill_plugin.parsers.model import ExclusiveGroup, ParsedOption, ParserModel
from corpus_backfill_plugin.parsers.rules import is_run_of_integers
from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.specs.model import FLAG_PATTERN, Argument, Option, Script
from corpus_backfill_plugin.specs.positions import key_lines, line_of
from corpus_backfill_plugin.text import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence


Change: TypeAlias = Literal[
    "removed", "added", "renamed", "type", "choices", "default", "required", "arity", "negate", "group",
    "common", "subcommand", "count", "unknown",
]  # fmt: skip
"""What sort of difference it is; `unknown` is a note that something could not be compared."""

Difference: TypeAlias = tuple[Change, str, str]
"""Its sort, the spec's key that it is at or would be at, and the problem with both sides."""

_FITTING = {
    "int": {"int"},
    "float": {"float"},
    # Values that a script takes as text may have a form that the spec checks before.
    "str": {"str", "path", "date", "datetime", "duration", "uuid"},
}
"""Types in the spec for a type of the script's; for others, the same and plain text."""

_ALIKE = 0.45
"""How alike two names must be (difflib's ratio) for one to be taken as the other's new name."""


class Drift(Diagnostic, frozen=True, kw_only=True):
    """One difference: with the script's option or exclusive group, where the spec can follow it.

    `before` says that an added option belongs before the subcommand.
    """

    change: Change
    parsed: ParsedOption | None = None
    group: ExclusiveGroup | None = None
    before: bool = False

    @property
    def certain(self) -> bool:
        """False for a note: something could not be compared."""
        return self.kind == "drift"


def _drift(change: Change, path: KeyPath, key: str, problem: str, hint: str = "", **more: Any) -> Drift:  # noqa: ANN401 - fields of Drift
    kind: Literal["note", "drift"] = "note" if change == "unknown" else "drift"
    return Drift(path, problem, hint, kind, key=key, change=change, **more)


def _unknown(reason: str, path: KeyPath = ("script",), key: str = "script") -> Drift:
    return _drift("unknown", path, key, f"could not be compared: {reason}")


def compare(script: Script, model: ParserModel) -> tuple[Drift, ...]:
    """Return all differences, notes among them, in the order of the spec; what the script alone has last."""
    return tuple(_Comparison(script, model).run())


def unknown_words(script: Script, model: ParserModel, words: Sequence[str]) -> tuple[str, ...]:
    """Return those of `words`, sent last, that the script lacks; none unless all of its parser was read."""
    comparison = _Comparison(script, model)
    known = comparison.all_seen and comparison.wrong_word is None
    return tuple(comparison.unseen(words)) if known else ()


def located(drifts: Sequence[Drift], text: str, file: str) -> tuple[Drift, ...]:
    """Return the differences with `file`, as it is to be shown, and their line in `text`; notes last."""
    lines = key_lines(text.removeprefix("\ufeff"))
    found = [msgspec.structs.replace(drift, file=file, line=line_of(drift.path, lines)) for drift in drifts]
    return tuple(sorted(found, key=lambda drift: (not drift.certain, drift.line or 0)))


class _Comparison:
    """One spec compared with one parser.

    Attributes:
        known_flags: flags of the script's that need no option in the spec.
        missing: options of the spec that were not seen in the script, and where they are.
        matched: the spec's name by the script's flag; the flag itself for one that is to be added, empty
            where the value is handed over otherwise.
    """

    def __init__(self, script: Script, model: ParserModel) -> None:
        self.script, self.top = script, model
        self.leaf = Leaf((), (), model)
        self.wrong_word = self._descend()
        self.model = self.leaf.parser
        self.unlisted = set(script.unlisted)
        self.counting = script.postcondition.run if script.postcondition else ()
        words = [*script.fixed_args, *self.counting]
        self.known_flags = {word.partition("=")[0] for word in words if word.startswith("-")} | self.unlisted
        self.missing: list[tuple[Option, KeyPath]] = []
        self.matched: dict[str, str] = {}

    def run(self) -> Iterator[Drift]:
        seen = self.top.options or self.top.positionals or self.top.subcommands
        unread = not self.top.complete and not seen
        obstacle = _unknown(self.top.unknowns[0].reason) if unread else self.wrong_word
        if obstacle:
            yield obstacle
            return
        for option in self.script.common_options:
            yield from self._option(option, ("common",))
        for at, option in enumerate(self.script.option):
            yield from self._option(option, ("option", at))
        for part in (self._count_words, self._removed, self._added, self._arguments, self._groups):
            yield from part()
        for unknown in [u for m in (*self.leaf.outer, self.model) for u in m.unknowns if u.hides_options]:
            place = f"line {unknown.where}: {unknown.what}: " if unknown.where else ""
            yield _unknown(place + unknown.reason)

    def _descend(self) -> Drift | None:
        """Go to the parser of the spec's subcommand; return what is wrong with the word for it."""
        last = self.script.subcommand
        words = [word for word in self.script.fixed_args if not word.startswith("-")]
        for word in [*words, last] if last else words:
            model = self.leaf.parser
            found = next((sub for sub in model.subcommands if word in (sub.name, *sub.aliases)), None)
            if found is not None:
                self.leaf = Leaf((*self.leaf.words, word), (*self.leaf.outer, model), found.parser)
            elif word == last and model.complete:
                has = listed(sub.name for sub in model.subcommands) or "none"
                problem = f"the script has no subcommand {quoted(word)}, it has {has}"
                return _drift("subcommand", ("subcommand",), "subcommand", problem)
            elif word == last:
                return _unknown(f"subcommand {quoted(word)} was not seen")
        model = self.leaf.parser
        has = listed(sub.name for sub in model.subcommands)
        if not has or not model.subcommand_required:
            return None
        problem = f"the script needs a subcommand ({has}), the spec has none"
        return _drift("subcommand", ("script",), "subcommand", problem)

    def _option(self, option: Option, path: KeyPath) -> Iterator[Drift]:
        """Compare an option of the spec with the script's; without one, keep it for later."""
        options, flag = self._parser_of(option).options, option.script_flag
        named = [one for one in options if flag in one.flags] or [o for o in options if flag == o.negative]
        elsewhere = f"in {option.pass_env}" if option.pass_env else "on standard input" * option.pass_stdin
        if not named:
            self.missing += [] if elsewhere else [(option, path)]
            return
        parsed = named[0]
        self.matched[parsed.flag] = "" if elsewhere else option.name
        if option.negate:
            twin = next((one.flag for one in options if option.negate in one.flags), option.negate)
            self.matched[twin] = option.name
        if set(parsed.flags) & self.unlisted:
            return
        if not elsewhere:
            yield from self._differences(option, parsed, path)
        elif parsed.required:
            problem = f"the spec hands it over {elsewhere}, the script requires {parsed.flag}"
            yield _drift("required", path, f"{path[0]}.{option.name}", f"{problem} on its command line")

    def _parser_of(self, option: Option | Argument) -> ParserModel:
        before = isinstance(option, Option) and option.before_subcommand
        return self.leaf.outer[-1] if before and self.leaf.outer else self.model

    def _differences(self, option: Option | Argument, parsed: ParsedOption, path: KeyPath) -> Iterator[Drift]:
        for change, key, problem in differences(option, parsed, self.unlisted, self._parser_of(option)):
            place = path if path == ("common",) else (*path, key)
            yield _drift(change, place, f"{path[0]}.{option.name}.{key}", problem, parsed=parsed)

    def _left(self) -> list[tuple[ParsedOption, bool]]:
        """Return what the script alone has, and whether each belongs before the subcommand."""
        left = [pair for pair in self.leaf.options() if not set(pair[0].flags) & self.known_flags]
        return [(o, before) for o, before in left if o.flag not in self.matched and not o.hidden]

    def _removed(self) -> Iterator[Drift]:
        pairs = _renames(self.missing, [option for option, _ in self._left()])
        for option, path in self.missing:
            key, sends = f"{path[0]}.{option.name}", f"the spec sends {option.script_flag}"
            new = pairs.get(option.name)
            if new is not None:
                self.matched[new.flag] = option.name
                problem, hint = f"{sends}, the script calls it {new.flag}", f"write flag = {quoted(new.flag)}"
                yield _drift("renamed", path, key, problem, hint, parsed=new)
                yield from self._differences(option, new, path)
            elif not self._complete(option):
                yield _unknown(f"{option.script_flag} was not seen in the script", path, key)
            else:
                common = listed(o.name for o in self.script.common_options if o.name != option.name)
                change: Change = "common" if path == ("common",) else "removed"
                hint = f"write common = [{common}]" if change == "common" else "remove it"
                yield _drift(change, path, key, f"{sends}, the script does not have it", hint)

    def _added(self) -> Iterator[Drift]:
        for parsed, before in self._left():
            reason = parsed.unsure.get("kind") or parsed.unsure.get("nargs")
            if not re.search(FLAG_PATTERN, parsed.flag):
                reason = "cannot be written in a spec"
            if reason:
                yield _unknown(f"line {parsed.line}: {parsed.flag}: {reason}")
                continue
            self.matched[parsed.flag] = parsed.flag
            problem = f"the script has {parsed.flag} ({shape(parsed)}), the spec does not"
            hint = f"add it, or write unlisted = [{quoted(parsed.flag)}]"
            key = f"option.{parsed.flag.lstrip('-')}"
            yield _drift("added", ("script",), key, problem, hint, parsed=parsed, before=before)

    @property
    def all_seen(self) -> bool:
        """Whether every option was seen, also of a parser that lets pass what it does not know."""
        return self.top.library == "argparse" and self.top.complete and self.model.complete

    def unseen(self, words: Sequence[str]) -> Iterator[str]:
        """Yield those of `words` that were not seen in the parser that gets them."""
        value_expected = bool(self.model.positionals or self.model.subcommands)
        for word in words:
            name, _, value = word.partition("=")
            if not name.startswith("-"):
                if not value_expected:
                    yield word
                continue
            # argparse takes the beginning of a long option for all of it, and -n5 for -n 5.
            found = [
                option
                for option in self.model.options
                for flag in (*option.flags, option.negative)
                if flag == name or (flag.startswith(name) if name[:2] == "--" else flag == name[:2])
            ]
            if not found:
                yield name
            value_expected = value_expected or (not value and any(option.takes_value for option in found))

    def _count_words(self) -> Iterator[Drift]:
        path, key = ("postcondition", "run"), "postcondition.run"
        for word in self.unseen(self.counting):
            if self.all_seen:
                yield _drift("count", path, key, f"the spec counts by {word}, the script does not have it")
            else:
                yield _unknown(f"{word} was not seen in the script", path, key)

    def _complete(self, option: Option) -> bool:
        if option.role == "retry-items" and not option.before_subcommand:
            return self.all_seen  # a script that ignores it would work on everything
        parser = self._parser_of(option)
        return parser.complete and parser.strict and self.top.complete

    def _arguments(self) -> Iterator[Drift]:
        theirs = [one for one in self.model.positionals if "nargs" not in one.unsure]
        for at, one in enumerate(theirs[:-1]):
            if one.nargs in {"*", "+"} or (one.nargs == "?" and any(two.required for two in theirs[at:])):
                yield _unknown(f"{one.dest}: takes any number of words with more after it")
                return
        for at, argument in enumerate(self.script.argument):
            if at < len(theirs):
                yield from self._differences(argument, theirs[at], ("argument", at))
            elif self.model.complete and len(theirs) == len(self.model.positionals):
                problem = f"the spec sends an argument here, the script takes {len(theirs)}"
                yield _drift("removed", ("argument", at), f"argument.{argument.name}", problem, "remove it")
        for parsed in theirs[len(self.script.argument) :]:
            problem = f"the script takes the argument {parsed.dest} ({shape(parsed)}), the spec does not"
            yield _drift("added", ("script",), f"argument.{parsed.dest}", problem, "add it", parsed=parsed)

    def _groups(self) -> Iterator[Drift]:
        for group in self.model.groups:
            present = [flag for flag in group.members if self.matched.get(flag)]
            if len(present) < 2 or set(present) & self.unlisted:  # noqa: PLR2004 - one alone excludes nobody
                continue
            wanted = ExclusiveGroup(tuple(present), group.required and present == list(group.members))
            how = "exactly" if wanted.required else "at most"
            sides = f"the script takes {how} one of {', '.join(present)}"
            names = {self.matched[flag] for flag in present}
            rules = {g.rule: at for at, g in enumerate(self.script.group) if names <= set(g.members)}
            if "exactly-one" in rules or ("at-most-one" in rules and not wanted.required):
                continue
            part = [at for at, g in enumerate(self.script.group) if len(names & set(g.members)) > 1]
            problem = f"{sides}, the spec does not say so"
            path: KeyPath = ("group", part[0], "members") if part else ("script",)
            if "at-most-one" in rules:
                path = ("group", rules["at-most-one"], "rule")
                problem = f"the spec takes at most one, {sides}"
            key = f"group.{int(path[1]) + 1}.{path[2]}" if len(path) > 1 else "group"
            yield _drift("group", path, key, problem, group=wanted)


def _renames(missing: list[tuple[Option, KeyPath]], left: list[ParsedOption]) -> dict[str, ParsedOption]:
    """Return the new option for each old name: the nearest of those of the same shape."""
    scored = []
    for option, path in missing:
        for parsed in left if path != ("common",) else ():
            changes = {change for change, _, _ in differences(option, parsed, set(), None)}
            names = option.script_flag.lstrip("-"), parsed.flag.lstrip("-")
            alike = difflib.SequenceMatcher(None, *names).ratio()
            same_help = bool(option.help) and option.help == parsed.help
            if not changes & {"type", "arity", "choices"} and (alike >= _ALIKE or same_help):
                scored.append((alike + same_help, option.name, parsed))
    pairs: dict[str, ParsedOption] = {}
    for _, name, parsed in sorted(scored, key=lambda entry: -entry[0]):
        if name not in pairs and parsed not in pairs.values():
            pairs[name] = parsed
    return pairs


def differences(
    option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str], parser: ParserModel | None
) -> Iterator[Difference]:
    """Yield what differs from the script's option, `unlisted` aside; `negate` only with a `parser`."""
    for part, reason in parsed.unsure.items():
        if part not in {"help", "metavar"}:
            yield "unknown", "type" if part == "kind" else part, f"could not be compared: {reason}"
    if {"kind", "nargs"} & parsed.unsure.keys():
        return
    declared, proposed = msgspec.to_builtins(option), propose(parsed).table
    ours, theirs = arity(declared), arity(proposed)
    may_be_one = theirs == "a value or none" and ours == "one value"
    may_be_many = parsed.kind == "extend" and ours in {"any number of values", "one value each time"}
    if ours != theirs and not may_be_one and not may_be_many:
        yield "arity", _arity_key(declared, proposed), f"the spec has {ours}, the script takes {theirs}"
        return
    if parser is not None and isinstance(option, Option):
        yield from _negate(option, parsed, parser, unlisted)
    if parsed.takes_value and "type" not in parsed.unsure:
        fitting = _FITTING.get(parsed.type, {parsed.type, "str"})
        if option.type not in fitting and parsed.type not in {"other", "bool"}:
            yield "type", "type", f"the spec's type is {option.type}, the script's is {parsed.type}"
        if "choices" not in parsed.unsure:
            yield from _choices(option, parsed, unlisted)
    yield from _default(option, parsed)
    yield from _required(option, parsed)


def shape(parsed: ParsedOption) -> str:
    """Return what an option takes, in words: `one value, int, default 4`."""
    parts = [arity(propose(parsed).table)]
    if parsed.takes_value:
        plain = parsed.type in {"str", "other"}
        parts.append(listed(parsed.choices) if parsed.choices else "" if plain else parsed.type)
    parts.append("required" if parsed.required else "")
    if parsed.default is not None and parsed.takes_value:
        parts.append(f"default {_shown(parsed.default)}")
    return ", ".join(filter(None, parts))


def arity(keys: Mapping[str, Any]) -> str:
    """Return what follows an option on the command line, in words, from the keys of its table in a spec."""
    if keys.get("type") in {"bool", "count"}:
        return "a flag that is counted" if keys["type"] == "count" else "a flag"
    if keys.get("value-optional"):
        return "a value or none"
    if keys.get("multiple") in {"spread", True}:
        return "any number of values"
    each = f"{keys['nargs']} values" if keys.get("nargs") else "one value"
    return f"{each} each time" if keys.get("multiple") == "repeat" else each


def _arity_key(declared: Mapping[str, Any], proposed: Mapping[str, Any]) -> str:
    """Return the key at which the number of values is, or would be, declared."""
    if any(keys.get("type") in {"bool", "count"} for keys in (declared, proposed)):
        return "type"
    if declared.get("value-optional"):
        return "value-optional"
    return "multiple" if declared["multiple"] or proposed.get("multiple") else "nargs"


def _negate(
    option: Option, parsed: ParsedOption, parser: ParserModel, unlisted: Collection[str]
) -> Iterator[Difference]:
    theirs = {flag for other in parser.options for flag in (other.negative, *other.flags)}
    if option.negate and option.negate not in theirs and parser.complete:
        yield "negate", "negate", f"the spec turns it off by {option.negate}, the script does not have that"
    elif parsed.negative and option.negate is None and parsed.negative not in {option.script_flag, *unlisted}:
        yield "negate", "negate", f"the script turns it off by {parsed.negative}, the spec does not"


def _choices(
    option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str]
) -> Iterator[Difference]:
    least, most = parsed.min, parsed.max
    if not option.choices and is_run_of_integers(parsed.choices):
        least, most = parsed.choices[0], parsed.choices[-1]  # type: ignore[assignment]  # they are integers
    if least is None and most is None:
        yield from _sets(option, parsed, unlisted)
    elif (option.min, option.max) != (least, most):
        ours, theirs = _between(option.min, option.max), _between(least, most)
        key = "min" if option.min != least else "max"
        yield "choices", key, f"the spec allows {ours}, the script {theirs}"


def _between(least: object, most: object) -> str:
    if least is None:
        return "any value" if most is None else f"{most} and less"
    return f"{least} and more" if most is None else f"{least} to {most}"


def _sets(option: Option | Argument, parsed: ParsedOption, unlisted: Collection[str]) -> Iterator[Difference]:
    ours, theirs = set(option.choices), set(parsed.choices)
    further = f"{parsed.flag}=*" in unlisted
    left_out = {choice for choice in theirs if further or f"{parsed.flag}={choice}" in unlisted}
    if not theirs and (not ours or further or parsed.type not in {"str", "int", "float"}):
        return
    if not ours or not theirs or ours - theirs or theirs - ours - left_out:
        sides = [listed(choices) or "any value" for choices in (option.choices, parsed.choices)]
        yield "choices", "choices", f"the spec allows {sides[0]}, the script {sides[1]}"
    elif option.ignore_case and not parsed.ignore_case:
        yield "choices", "ignore-case", "the spec takes choices in any case, the script as they are written"


def _default(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if option.default is None or option.default_note or not parsed.default_known:
        return
    if parsed.kind in {"append", "extend"}:
        return  # what the spec sends is added to the script's own
    theirs = None if parsed.kind in {"false", "const"} else parsed.default
    if parsed.takes_value or parsed.kind in {"count", "custom"}:
        same = _same_value(option.default, theirs)
    else:
        same = (option.default or None) == (theirs or None)
    if not same:
        script = " has no default" if theirs is None else f"'s default is {_shown(theirs)}"
        yield "default", "default", f"the spec sends {_shown(option.default)}, the script{script}"


def _same_value(ours: object, theirs: object) -> bool:
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(map(_same_value, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return str(ours).lower() == str(theirs).lower()
    return ours == theirs or str(ours) == str(theirs)


def _required(option: Option | Argument, parsed: ParsedOption) -> Iterator[Difference]:
    if "required" in parsed.unsure:
        return
    if parsed.required and not parsed.takes_value:
        yield "unknown", "required", "the script requires it, which a spec cannot say of a flag"
    elif parsed.required and not option.required and option.default is None and not option.required_if:
        yield "required", "required", "the script requires it, the spec does not"
    elif option.required and not parsed.required and not option.default_note:
        yield "required", "required", "the spec requires it, the script does not"


def _shown(value: object) -> str:
    return f"[{listed(value)}]" if isinstance(value, tuple) else quoted(value)
