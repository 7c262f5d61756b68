"""The difference between a spec and the parser of its script.

The two should take the same: an option that one of them lacks, another type, other choices, another number
of values, and a script that demands what the spec does not, are drift. Not drift is what a spec does
on purpose and can say:

* `default-note` says that its author knows what the script does by itself: then the spec may send another
  default, or require what the script does not. Without a default nothing is sent, which always fits.
* `unlisted` names what the spec leaves out: an option, a choice (`--model=huge`), all further (`--model=*`).
* A flag in `fixed-args` or `postcondition.run` needs no option. Those in `postcondition.run` have to be the
  script's: one that ignores them would work instead of counting.
* A stricter form for what the script takes as plain text (a path, a date, a duration), stricter rules
  between options, a help of its own, and its own names for options.

What could not be known of the script gives a note, never drift.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from corpus_backfill_plugin.authoring.drift_option import Change, differences, shape
from corpus_backfill_plugin.authoring.propose import Leaf
from corpus_backfill_plugin.parsers.model import ExclusiveGroup, ParsedOption
from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.specs.model import FLAG_PATTERN, Argument, Option
from corpus_backfill_plugin.specs.positions import key_lines, line_of
from corpus_backfill_plugin.text import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from corpus_backfill_plugin.parsers.model import ParserModel
    from corpus_backfill_plugin.specs.model import Script

_ALIKE = 0.45
"""How alike two names must be (difflib's ratio) for one to be taken as the other's new name."""


class Drift(Diagnostic, frozen=True, kw_only=True):
    """One difference between a spec and its script.

    Attributes:
        parsed: the script's option, where there is one that the spec can follow.
        group: the script's exclusive group, by its flags, for a change of a group.
        before: whether `parsed` belongs before the subcommand.
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
        matched: name in the spec of each option of the script that is in it, by the script's flag; a flag
            that is to be added has itself as its name, one whose value is handed over otherwise none.
    """

    def __init__(self, script: Script, model: ParserModel) -> None:
        self.script = script
        self.top = model
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
        yield from self._count_words()
        yield from self._removed()
        yield from self._added()
        yield from self._arguments()
        yield from self._groups()
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
        if not model.subcommands or not model.subcommand_required:
            return None
        has = listed(sub.name for sub in model.subcommands)
        problem = f"the script needs a subcommand ({has}), the spec has none"
        return _drift("subcommand", ("script",), "subcommand", problem)

    def _option(self, option: Option, path: KeyPath) -> Iterator[Drift]:
        """Compare an option of the spec with the script's; without one, keep it for later."""
        options, flag = self._parser_of(option).options, option.script_flag
        named = [one for one in options if flag in one.flags]
        named += [one for one in options if flag == one.negative]
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
        before = isinstance(option, Option) and option.before_subcommand
        for change, key, problem in differences(option, parsed, self.unlisted, self._parser_of(option)):
            place = path if path == ("common",) else (*path, key)
            dotted = f"{path[0]}.{option.name}.{key}"
            yield _drift(change, place, dotted, problem, parsed=parsed, before=before)

    def _left(self) -> list[tuple[ParsedOption, bool]]:
        """Return what the script alone has, and whether each belongs before the subcommand."""
        return [
            (option, before)
            for option, before in self.leaf.options()
            if option.flag not in self.matched
            and not set(option.flags) & self.known_flags
            and not option.hidden
        ]

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
