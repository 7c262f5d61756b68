"""The difference between a spec and the parser of its script.

The two should take the same: an option that one of them lacks, another type, other choices, another number
of values, and a script that demands what the spec does not, are drift. Not drift is what a spec does
on purpose and can say:

* `default-note` says that its author knows what the script does by itself: then the spec may send another
  default, or require what the script does not. Without a default nothing is sent, which always fits.
* `unlisted` names what the spec leaves out: an option (`--verbose`), a choice (`--model=huge`), or, as
  `--model=*`, all further values.
* A flag in `fixed-args` or `postcondition.run` is known, and so needs no option. Those in
  `postcondition.run` have to be the script's: one that ignores them would work instead of counting.
* A stricter form for what the script takes as plain text (a path, a date, a duration), stricter rules
  between options, a help of its own, and its own names for options.

What could not be known of the script gives a note, never drift.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from corpus_backfill_plugin.authoring.drift_option import differences, shape
from corpus_backfill_plugin.parsers.model import ExclusiveGroup, ParsedOption, ParserModel
from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.specs.model import FLAG_PATTERN, Argument, Option
from corpus_backfill_plugin.specs.positions import key_lines, line_of
from corpus_backfill_plugin.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from corpus_backfill_plugin.specs.model import Script

Change: TypeAlias = Literal[
    "removed", "added", "renamed", "type", "choices", "default", "required", "arity", "negate", "group",
    "common", "subcommand", "count", "unknown",
]  # fmt: skip

_ALIKE = 0.45
"""How alike two names must be (difflib's ratio) for one to be taken as the other's new name."""


class Drift(msgspec.Struct, frozen=True):
    """One difference between a spec and its script.

    Attributes:
        change: what sort of difference.
        path: where in the spec.
        key: the same for people, such as `option.workers.default`.
        problem: what differs, with both sides.
        hint: what to do; empty when the problem says it all.
        certain: False for a note: something could not be compared.
        parsed: the script's option, where there is one.
        group: the script's exclusive group, by its flags, for a change of a group.
        before: whether `parsed` stands before the subcommand.
    """

    change: Change
    path: KeyPath
    key: str
    problem: str
    hint: str = ""
    certain: bool = True
    parsed: ParsedOption | None = None
    group: ExclusiveGroup | None = None
    before: bool = False


def compare(script: Script, model: ParserModel) -> tuple[Drift, ...]:
    """Return all differences between the spec `script` and its script's parser, notes among them.

    In the order of the spec, what the script alone has last. Only those that are `certain` are drift.
    """
    return tuple(_Comparison(script, model).run())


def unknown_words(script: Script, model: ParserModel, words: Sequence[str]) -> tuple[str, ...]:
    """Return those of `words`, sent after the spec's options, that the script does not have.

    None unless all of its parser was read.
    """
    comparison = _Comparison(script, model)
    known = comparison.all_seen and comparison.wrong_word is None
    return tuple(comparison.unseen(words)) if known else ()


def located(drifts: tuple[Drift, ...], text: str, file: str) -> tuple[Diagnostic, ...]:
    """Return the differences with file and line, sorted by line; `str` gives `file:line: key: problem; hint`.

    Args:
        drifts: of `compare`.
        text: the spec's TOML.
        file: the spec's file, as it is to be shown.
    """
    lines = key_lines(text)
    faults = [
        Diagnostic(
            d.path, d.problem, d.hint, "drift" if d.certain else "note", file, line_of(d.path, lines), d.key
        )
        for d in drifts
    ]
    return tuple(sorted(faults, key=lambda fault: fault.line or 0))


class _Comparison:
    """One spec compared with one parser."""

    def __init__(self, script: Script, model: ParserModel) -> None:
        self.script = script
        self.top = model
        self.outer: list[ParserModel] = []
        self.model = model
        self.wrong_word = self._descend()
        self.unlisted = set(script.unlisted)
        words = [*script.fixed_args, *(script.postcondition.run if script.postcondition else ())]
        self.known_flags = {word.partition("=")[0] for word in words if word.startswith("-")} | self.unlisted
        self.missing: list[tuple[Option, KeyPath]] = []
        self.added: set[str] = set()
        self.handed_over: set[str] = set()
        """Flags of the script whose values the spec hands over in another way."""
        self.matched: dict[str, str] = {}
        """Name in the spec of each option of the script that stands in it, by the script's flag."""

    def run(self) -> Iterator[Drift]:
        seen = self.top.options or self.top.positionals or self.top.subcommands
        if not self.top.complete and not seen:
            yield self._unknown(self.top.unknowns[0].reason)
            return
        if self.wrong_word:
            yield self.wrong_word
            return
        yield from self._options()
        yield from self._count_words()
        yield from self._removed_and_added()
        yield from self._arguments()
        yield from self._groups()
        for unknown in [u for m in (*self.outer, self.model) for u in m.unknowns if u.hides_options]:
            yield self._unknown(
                f"line {unknown.where}: {unknown.what}: {unknown.reason}" if unknown.where else unknown.reason
            )

    def _unknown(self, reason: str) -> Drift:
        return Drift("unknown", ("script",), "script", f"could not be compared: {reason}", certain=False)

    def _descend(self) -> Drift | None:
        """Go to the parser of the spec's subcommand."""
        words = [word for word in self.script.fixed_args if not word.startswith("-")]
        last = [self.script.subcommand] if self.script.subcommand else []
        for word in [*words, *last]:
            found = next((s for s in self.model.subcommands if word in (s.name, *s.aliases)), None)
            if found is not None:
                self.outer.append(self.model)
                self.model = found.parser
            elif word in last and self.model.complete:
                has = ", ".join(quoted(sub.name) for sub in self.model.subcommands) or "none"
                problem = f"the script has no subcommand {quoted(word)}, it has {has}"
                return Drift("subcommand", ("subcommand",), "subcommand", problem)
            elif word in last:
                return self._unknown(f"subcommand {quoted(word)} was not seen")
        if self.model.subcommands and self.model.subcommand_required:
            has = ", ".join(quoted(sub.name) for sub in self.model.subcommands)
            problem = f"the script needs a subcommand ({has}), the spec has none"
            return Drift("subcommand", ("script",), "subcommand", problem)
        return None

    def _options(self) -> Iterator[Drift]:
        """Compare the options that both have; keep the rest for later."""
        for option in self.script.common_options:
            yield from self._option(option, ("common",))
        for at, option in enumerate(self.script.option):
            yield from self._option(option, ("option", at))

    def _option(self, option: Option, path: KeyPath) -> Iterator[Drift]:
        parser = self._parser_of(option)
        parsed = parser.option(option.script_flag)
        if parsed is None:
            parsed = next((o for o in parser.options if o.negative == option.script_flag), None)
        if parsed is None:
            if not option.pass_env and not option.pass_stdin:
                self.missing.append((option, path))
            return
        self.matched[parsed.flag] = option.name
        if option.negate:
            twin = parser.option(option.negate)
            self.matched[twin.flag if twin else option.negate] = option.name
        if set(parsed.flags) & self.unlisted:
            return
        if not option.pass_env and not option.pass_stdin:
            yield from self._differences(option, parsed, path, parser)
            return
        self.handed_over.add(parsed.flag)
        if parsed.required:
            how = f"in {option.pass_env}" if option.pass_env else "on standard input"
            problem = f"the spec hands it over {how}, the script requires {parsed.flag} on its command line"
            yield Drift("required", path, f"{path[0]}.{option.name}", problem, parsed=parsed)

    def _parser_of(self, option: Option) -> ParserModel:
        """Return the parser that reads an option of the spec."""
        return self.outer[-1] if option.before_subcommand and self.outer else self.model

    def _differences(
        self, option: Option | Argument, parsed: ParsedOption, path: KeyPath, parser: ParserModel
    ) -> Iterator[Drift]:
        for found in differences(option, parsed, self.unlisted, parser):
            place = path if path == ("common",) else (*path, found.key)
            key = f"{path[0]}.{option.name}.{found.key}"
            before = isinstance(option, Option) and option.before_subcommand
            yield Drift(
                found.change, place, key, found.problem, certain=found.certain, parsed=parsed, before=before
            )

    def _left(self) -> list[tuple[ParsedOption, bool]]:
        """Return what the script alone has, and whether each stands before the subcommand."""
        inner = {flag for option in self.model.options for flag in option.flags}
        nearest = self.outer[-1].options if self.outer else ()
        passed = [(option, True) for option in nearest if not inner & set(option.flags)]
        return [
            (option, before)
            for option, before in passed + [(option, False) for option in self.model.options]
            if option.flag not in self.matched
            and not set(option.flags) & self.known_flags
            and not option.hidden
        ]

    def _removed_and_added(self) -> Iterator[Drift]:
        left = self._left()
        pairs = _renames(self.missing, [option for option, _ in left])
        for option, path in self.missing:
            key = f"{path[0]}.{option.name}"
            new = pairs.get(option.name)
            if new is not None:
                self.matched[new.flag] = option.name
                problem = f"the spec sends {option.script_flag}, the script calls it {new.flag}"
                hint = f"write flag = {quoted(new.flag)}"
                yield Drift("renamed", path, key, problem, hint, parsed=new)
                yield from self._differences(option, new, path, self._parser_of(option))
            elif not self._complete(option):
                problem = f"could not be compared: {option.script_flag} was not seen in the script"
                yield Drift("unknown", path, key, problem, certain=False)
            else:
                change: Change = "common" if path == ("common",) else "removed"
                common = [quoted(o.name) for o in self.script.common_options if o.name != option.name]
                hint = f"write common = [{', '.join(common)}]" if change == "common" else "remove it"
                problem = f"the spec sends {option.script_flag}, the script does not have it"
                yield Drift(change, path, key, problem, hint)
        for parsed, before in left:
            if parsed.flag not in self.matched:
                yield self._added(parsed, before=before)

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
            # argparse takes the beginning of a long option for the whole, and -n5 for -n 5.
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
        certain = self.all_seen
        for word in self.unseen(self.script.postcondition.run if self.script.postcondition else ()):
            problem = f"could not be compared: {word} was not seen in the script"
            if certain:
                problem = f"the spec counts by {word}, the script does not have it"
            change: Change = "count" if certain else "unknown"
            yield Drift(change, ("postcondition", "run"), "postcondition.run", problem, certain=certain)

    def _added(self, parsed: ParsedOption, *, before: bool) -> Drift:
        reason = parsed.unsure.get("kind") or parsed.unsure.get("nargs")
        if not re.search(FLAG_PATTERN, parsed.flag):
            reason = "cannot be written in a spec"
        if reason:
            return self._unknown(f"line {parsed.line}: {parsed.flag}: {reason}")
        self.added.add(parsed.flag)
        problem = f"the script has {parsed.flag} ({shape(parsed)}), the spec does not"
        hint = f"add it, or write unlisted = [{quoted(parsed.flag)}]"
        key = f"option.{parsed.flag.lstrip('-')}"
        return Drift("added", ("script",), key, problem, hint, parsed=parsed, before=before)

    def _complete(self, option: Option) -> bool:
        if option.role == "retry-items" and not option.before_subcommand:
            return self.all_seen  # a script that ignores it would work on everything
        parser = self._parser_of(option)
        return parser.complete and parser.strict and self.top.complete

    def _arguments(self) -> Iterator[Drift]:
        theirs = [one for one in self.model.positionals if "nargs" not in one.unsure]
        for at, one in enumerate(theirs[:-1]):
            if one.nargs in {"*", "+"} or (one.nargs == "?" and any(two.required for two in theirs[at:])):
                yield self._unknown(f"{one.dest}: takes any number of words with more after it")
                return
        for at, argument in enumerate(self.script.argument):
            key, path = f"argument.{argument.name}", ("argument", at)
            if at >= len(theirs):
                if self.model.complete and len(theirs) == len(self.model.positionals):
                    problem = f"the spec sends an argument here, the script takes {len(theirs)}"
                    yield Drift("removed", path, key, problem, "remove it")
                continue
            yield from self._differences(argument, theirs[at], path, self.model)
        for parsed in theirs[len(self.script.argument) :]:
            problem = f"the script takes the argument {parsed.dest} ({shape(parsed)}), the spec does not"
            yield Drift("added", ("script",), f"argument.{parsed.dest}", problem, "add it", parsed=parsed)

    def _groups(self) -> Iterator[Drift]:
        for group in self.model.groups:
            known = {*self.matched, *self.added} - self.handed_over
            present = [flag for flag in group.members if flag in known]
            if len(present) < 2 or set(present) & self.unlisted:  # noqa: PLR2004 - one alone excludes nobody
                continue
            exact = group.required and present == list(group.members)
            sides = f"the script takes {'exactly' if exact else 'at most'} one of {', '.join(present)}"
            wanted = ExclusiveGroup(tuple(present), exact)
            names = {self.matched.get(flag, flag) for flag in present}
            rules = {g.rule: at for at, g in enumerate(self.script.group) if names <= set(g.members)}
            if "exactly-one" in rules or ("at-most-one" in rules and not exact):
                continue
            if "at-most-one" in rules:
                at = rules["at-most-one"]
                problem = f"the spec takes at most one, {sides}"
                yield Drift("group", ("group", at, "rule"), f"group.{at + 1}.rule", problem, group=wanted)
                continue
            part = [at for at, g in enumerate(self.script.group) if len(names & set(g.members)) > 1]
            path: KeyPath = ("group", part[0], "members") if part else ("script",)
            key = f"group.{part[0] + 1}.members" if part else "group"
            problem = f"{sides}, the spec does not say so"
            yield Drift("group", path, key, problem, group=wanted)


def _renames(missing: list[tuple[Option, KeyPath]], left: list[ParsedOption]) -> dict[str, ParsedOption]:
    """Return the new option for each old name: the nearest of those of the same shape."""
    scored = []
    for option, path in missing:
        if path == ("common",):
            continue
        for parsed in left:
            found = list(differences(option, parsed, set(), None))
            if any(difference.change in {"type", "arity", "choices"} for difference in found):
                continue
            names = option.script_flag.lstrip("-"), parsed.flag.lstrip("-")
            alike = difflib.SequenceMatcher(None, *names).ratio()
            same_help = bool(option.help) and option.help == parsed.help
            if alike >= _ALIKE or same_help:
                scored.append((alike + same_help, option.name, parsed))
    pairs: dict[str, ParsedOption] = {}
    for _, name, parsed in sorted(scored, key=lambda entry: -entry[0]):
        if name not in pairs and parsed not in pairs.values():
            pairs[name] = parsed
    return pairs
