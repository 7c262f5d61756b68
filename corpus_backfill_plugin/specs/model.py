"""The spec's vocabulary as types: the one declaration that checks, JSON Schema and docs follow from.

A spec file is TOML with kebab-case keys; `Script` is all of it. Types, ranges and patterns of single
values are here; what concerns several keys at once is in `checks`.
"""

# Without `from __future__ import annotations`: msgspec would evaluate each again, which costs a run 1 ms.
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

Scalar: TypeAlias = str | int | float | bool
"""A single value in a spec."""


def doc(text: str, **limits: Any) -> Meta:  # noqa: ANN401 - of Meta, by name
    """Return what an editor shows of a key, and what limits its value."""
    return Meta(description=text, **limits)


NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*\Z"
FLAG_PATTERN = r"^--?[A-Za-z0-9][A-Za-z0-9_.-]*\Z"
ENV_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*\Z"
DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+\Z"

Name = Annotated[str, doc("lower case words joined by dashes", pattern=NAME_PATTERN, max_length=64)]
Flag = Annotated[str, doc("an option as the script spells it", pattern=FLAG_PATTERN)]
UNLISTED_PATTERN = r"^--?[A-Za-z0-9][A-Za-z0-9_.-]*(=.+)?\Z"
Unlisted = Annotated[
    str, doc("an option of the script's, or --option=choice of one", pattern=UNLISTED_PATTERN)
]
EnvName = Annotated[str, doc("the name of an environment variable", pattern=ENV_PATTERN)]
Duration = Annotated[str, doc("for example 90s, 12h or 1h30m", pattern=DURATION_PATTERN)]
ExitStatus = Annotated[int, Meta(ge=0, le=255)]
Word = Annotated[str, Meta(min_length=1)]

ValueType = Literal["str", "int", "float", "bool", "count", "path", "date", "datetime", "duration", "uuid"]
Effect = Literal["read", "write", "destructive"]
Role = Literal["dry-run", "limit", "retry-items"]
Rule = Literal["at-most-one", "exactly-one", "at-least-one", "all-or-none"]
CommonOption = Literal["database-url", "dry-run", "limit"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A TOML table of a spec: frozen, kebab-case, an unknown key is an error."""


class _Parameter(_Table, frozen=True, kw_only=True):
    """What options and arguments have in common."""

    name: Annotated[Name, doc("without dashes; the operator types --name")]
    metavar: Annotated[Word, doc("placeholder for the value in help")] | None = None
    help: Annotated[str, doc("what it is for, one or two sentences")] = ""
    hidden: Annotated[bool, doc("leave it out of help and completion")] = False
    deprecated: Annotated[bool | str, doc("warn when used; a text says what to use")] = False
    type: Annotated[ValueType, doc("what a value must look like; sent as it was typed")] = "str"
    choices: Annotated[tuple[Scalar, ...], doc("the values allowed, typed like `type`", min_length=1)] = ()
    ignore_case: Annotated[bool, doc("choices match in any case")] = False
    suggestions: Annotated[tuple[str, ...], doc("values offered by completion only")] = ()
    default: Annotated[Scalar | tuple[Scalar, ...] | None, doc("sent when the operator gives no value")] = (
        None
    )
    default_note: Annotated[str, doc("what the script itself does without a value")] = ""
    required: Annotated[bool, doc("the operator must give it")] = False
    min: Annotated[int | float | str | None, doc("smallest value allowed, inclusive")] = None
    max: Annotated[int | float | str | None, doc("largest value allowed, inclusive")] = None
    regex: Annotated[Word, doc("must match the whole value")] | None = None
    regex_help: Annotated[str, doc("what the regex asks for, in words")] = ""
    max_length: Annotated[int, doc("characters at most", ge=1)] | None = None
    exists: Annotated[bool, doc("a path must exist on this machine")] = False
    # Not `EnvName |`: msgspec (0.22) frees the pattern of a text that shares a union with a list, and the
    # interpreter crashes at its end. `checks` judges the single name.
    envvar: Annotated[str | tuple[EnvName, ...] | None, doc("read from the operator's environment")] = None
    nargs: Annotated[int, doc("how many values it takes each time", ge=2)] | None = None
    min_items: Annotated[int, doc("how often it must be given at least", ge=1)] | None = None
    max_items: Annotated[int, doc("how often it may be given", ge=1)] | None = None
    requires: Annotated[tuple[Name, ...], doc("options that must be given with it")] = ()
    required_if: Annotated[dict[str, Scalar], doc("required when the named option has this value")] = {}


class Option(_Parameter, frozen=True, kw_only=True):
    """One `[[option]]`: a switch of the command, and how the script gets it."""

    short: Annotated[str, doc("one letter", pattern=r"^[A-Za-z0-9]\Z")] | None = None
    aliases: Annotated[tuple[Name, ...], doc("further names the operator may type")] = ()
    flag: Annotated[Flag, doc("the script's own spelling; default -- and the name")] | None = None
    pass_env: Annotated[EnvName, doc("hand the value over in this variable")] | None = None
    pass_stdin: Annotated[bool, doc("hand the value over on standard input")] = False
    secret: Annotated[bool | Literal["url"], doc("masked everywhere; 'url' masks the password alone")] = False
    negate: Annotated[Flag, doc("the flag that turns a bool off, like --no-x")] | None = None
    multiple: Annotated[
        Literal["repeat", "spread", "join"] | None, doc("--x a --x b, --x a b, or --x a,b for the script")
    ] = None
    separator: Annotated[str, doc("between the values of 'join'", min_length=1)] | None = None
    value_optional: Annotated[bool, doc("may stand alone, without a value")] = False
    before_subcommand: Annotated[bool, doc("belongs to the script, not its subcommand: sent before it")] = (
        False
    )
    role: Annotated[Role | None, doc("what the switch means to plans and retries")] = None

    @property
    def script_flag(self) -> str:
        """The word that the script knows this option by."""
        return self.flag or f"--{self.name}"


class Argument(_Parameter, frozen=True, kw_only=True):
    """One `[[argument]]`: a positional value, sent last after `--`."""

    multiple: Annotated[bool, doc("takes any number of values; only the last may")] = False


class Group(_Table, frozen=True, kw_only=True):
    """One `[[group]]`: how several options stand to one another."""

    members: Annotated[tuple[Name, ...], doc("names of options", min_length=2)]
    rule: Annotated[Rule, doc("how many of them may be given")]
    title: Annotated[str, doc("how help calls the group")] = ""


class Output(_Table, frozen=True, kw_only=True):
    """`[output]`: what the lines that a script prints mean, as templates like `FAILED {item}: {reason}`."""

    # Texts without a bound here, as with `envvar`: rules refuse what is no template.
    progress: Annotated[
        str | tuple[Word, ...] | None, doc("templates with {done}, {total}, {rate}; or 'tqdm'")
    ] = None
    failed: Annotated[str | tuple[Word, ...] | None, doc("templates with {item} and {reason}")] = None
    result: Annotated[tuple[Word, ...], doc("templates whose names are counts: updated={updated}")] = ()


class Postcondition(_Table, frozen=True, kw_only=True):
    """`[postcondition]`: what proves that a run did its work."""

    run: Annotated[tuple[str, ...], doc("arguments that make the script count what is left")] = ()
    expect: Annotated[dict[str, int], doc("counts that must come out, like pending = 0")] = {}
    max_failed: Annotated[int, doc("failures that still count as success", ge=0)] | None = None
    skip_if_given: Annotated[tuple[Name, ...], doc("options that make the check meaningless")] = ()
    timeout: Annotated[Duration, doc("how long the count may take")] = "10m"


class Script(_Table, frozen=True, kw_only=True):
    """A whole spec file: one script of the server's backfill folder, as a command."""

    spec_version: Annotated[Literal[1], doc("always 1, and first")]
    script: Annotated[Word, doc("a bare file name inside the backfill folder")]
    short_help: Annotated[str, doc("the line in the list of commands")] = ""
    help: Annotated[str, doc("the text of --help; default short-help")] = ""
    examples: Annotated[tuple[Word, ...], doc("command lines without the program's name")] = ()
    hidden: Annotated[bool, doc("leave the command out of lists")] = False
    deprecated: Annotated[bool | str, doc("warn at each use; a text says what to use")] = False
    common: Annotated[tuple[CommonOption, ...], doc("the common options that the script understands")] = (
        "database-url",
        "dry-run",
        "limit",
    )
    fixed_args: Annotated[tuple[str, ...], doc("words always sent, first")] = ()
    subcommand: Annotated[Word, doc("a subcommand of the script")] | None = None
    unlisted: Annotated[
        tuple[Unlisted, ...],
        doc("what the script takes and this spec leaves out on purpose: --x, --x=choice, --x=*"),
    ] = ()
    effect: Annotated[Effect, doc("'destructive' asks before it runs")] = "write"
    lock: Annotated[bool, doc("one run at a time on a server and database")] = True
    success_codes: Annotated[tuple[ExitStatus, ...], doc("exit codes that mean success", min_length=1)] = (0,)
    timeout: Annotated[Duration, doc("how long a run may take")] | None = None
    env: Annotated[dict[str, str], doc("constants in the script's environment")] = {}
    option: Annotated[tuple[Option, ...], doc("options, in the order of help and of sending")] = ()
    argument: Annotated[tuple[Argument, ...], doc("positional arguments")] = ()
    group: Annotated[tuple[Group, ...], doc("rules between options")] = ()
    output: Annotated[Output | None, doc("what the script's lines mean")] = None
    postcondition: Annotated[Postcondition | None, doc("what proves a run")] = None

    @property
    def options(self) -> tuple[Option, ...]:
        """All options in the order of help and of sending: common ones first."""
        return self.common_options + self.option

    @property
    def parameters(self) -> tuple[Option | Argument, ...]:
        """All options, and the arguments after them."""
        return (*self.options, *self.argument)

    @property
    def count_words(self) -> tuple[str, ...]:
        """The arguments that make the script count what is left; none where the spec declares no count."""
        return self.postcondition.run if self.postcondition else ()

    @property
    def common_options(self) -> tuple[Option, ...]:
        """The common options that `common` names and no option of the file replaces."""
        own = {option.name for option in self.option}
        return tuple(o for o in COMMON_OPTIONS if o.name in self.common and o.name not in own)


COMMON_OPTIONS: tuple[Option, ...] = (
    Option(  # nosec B106 - a variable's name
        name="database-url",
        short="d",
        metavar="URL",
        envvar="DATABASE_URL",
        pass_env="DATABASE_URL",  # noqa: S106 - a variable's name
        secret="url",  # noqa: S106 - how it is masked
        help="Database to work on; reaches the script as DATABASE_URL only.",
    ),
    Option(name="dry-run", type="bool", role="dry-run", help="Show what would be done; change nothing."),
    Option(name="limit", type="int", min=1, metavar="N", role="limit", help="Work on N records at most."),
)
"""The options that every script is expected to understand unless its spec says otherwise."""
