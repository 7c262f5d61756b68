"""Every way that a spec can be wrong which we know of, each with the whole of what is said about it."""

# ruff: noqa: E501 - a message stands whole, as an author reads it

from __future__ import annotations

import pytest

from corpus_backfill_plugin.spec.reader import read_script

HEAD = 'spec-version = 1\nscript = "a.py"\n'
"""Two lines, so that the text of a case begins at line 3."""


WHOLE_FILES: list[tuple[str, str, list[str]]] = [
    (
        "no version",
        'script = "a.py"',
        ["demo.toml:1: spec-version: missing, and required; add spec-version = 1"],
    ),
    (
        "no script",
        "spec-version = 1",
        ["demo.toml:1: script: missing, and required; add script = 'name.py'"],
    ),
    (
        "an empty file",
        "",
        [
            "demo.toml:1: spec-version: missing, and required; add spec-version = 1",
            "demo.toml:1: script: missing, and required; add script = 'name.py'",
        ],
    ),
    (
        "a later version",
        """spec-version = 2
script = "a.py"
new-key = 1""",
        [
            "demo.toml:1: spec-version: version 2 is not known; upgrade corpus-backfill-plugin, or write spec-version = 1"
        ],
    ),
    (
        "a version in quotes",
        """spec-version = "1"
script = "a.py"
""",
        ["demo.toml:1: spec-version: '1' is not 1; write 1 without quotes"],
    ),
    (
        "a version below",
        """spec-version = 0
script = "a.py"
""",
        ["demo.toml:1: spec-version: 0 is not 1"],
    ),
    (
        "a script that is a number",
        """spec-version = 1
script = 5""",
        ["demo.toml:2: script: expected text, got a whole number; put it in quotes"],
    ),
    (
        "an empty script",
        """spec-version = 1
script = ""
""",
        ["demo.toml:2: script: must not be empty"],
    ),
    (
        "a script in another folder",
        """spec-version = 1
script = "../../bin/sh"
""",
        ["demo.toml:2: script: '../../bin/sh' is not a bare file name; write 'sh'"],
    ),
    (
        "a script by its whole path",
        """spec-version = 1
script = "/etc/passwd"
""",
        ["demo.toml:2: script: '/etc/passwd' is not a bare file name; write 'passwd'"],
    ),
    (
        "the folder above",
        """spec-version = 1
script = ".."
""",
        ["demo.toml:2: script: '..' is not a bare file name"],
    ),
    (
        "a script as windows writes it",
        r"""spec-version = 1
script = 'sub\a.py'""",
        ["demo.toml:2: script: 'sub\\a.py' is not a bare file name; write 'a.py'"],
    ),
    (
        "a script that begins with a dash",
        """spec-version = 1
script = "-c"
""",
        ["demo.toml:2: script: '-c' begins with '-'; rename the script"],
    ),
    (
        "a hidden script",
        """spec-version = 1
script = ".a.py"
""",
        ["demo.toml:2: script: '.a.py' begins with '.'; rename the script"],
    ),
    (
        "a script with an escape in it",
        r"""spec-version = 1
script = "a\u001b[2J.py"
""",
        ["demo.toml:2: script: 'a\\x1b[2J.py' holds blanks at its ends, or control characters"],
    ),
    (
        "no value",
        """spec-version = 1
script =""",
        ["demo.toml:2: not TOML: invalid value; text needs quotes; true, false and numbers have none"],
    ),
    (
        "a key twice",
        """spec-version = 1
script = "a.py"
script = "b.py"
""",
        ["demo.toml:3: not TOML: cannot overwrite a value; a key or table may stand only once"],
    ),
    (
        "a text without quotes",
        """spec-version = 1
script = a.py""",
        ["demo.toml:2: not TOML: invalid value; text needs quotes; true, false and numbers have none"],
    ),
    (
        "no equals sign",
        """spec-version = 1
script "a.py"
""",
        ["demo.toml:2: not TOML: expected '=' after a key in a key/value pair; a line is: key = value"],
    ),
    (
        "quotes that are not closed",
        """spec-version = 1
script = "a.py
""",
        ["demo.toml:2: not TOML: illegal character '\\n'; text over several lines needs three quotes"],
    ),
    (
        "a pattern in double quotes",
        r"""spec-version = 1
script = "a.py"
[output]
failed = "^(?P<item>\d+)"
""",
        ["demo.toml:4: not TOML: unescaped '\\' in a string; put patterns in single quotes: '\\d+'"],
    ),
    (
        "a bracket that is not closed",
        """spec-version = 1
examples = ["a"
""",
        ["demo.toml:3: not TOML: unclosed array; close the bracket"],
    ),
    (
        "a raw control character",
        'spec-version = 1\nscript = "a\x07.py"\n',
        ["demo.toml:2: not TOML: illegal character '\\x07'"],
    ),
    (
        "nothing but noise",
        "%%%",
        ["demo.toml:1: not TOML: invalid statement"],
    ),
]
"""What it is called, the whole file, what is said."""

TABLES: list[tuple[str, str, list[str]]] = [
    (
        "an unknown key",
        'shrt-help = "x"',
        ["demo.toml:3: shrt-help: unknown key; did you mean 'short-help'?"],
    ),
    (
        "an unknown table",
        """[outputs]
progress = "tqdm"
""",
        ["demo.toml:3: outputs: unknown key; did you mean 'output'?"],
    ),
    (
        "an unknown key that is like none",
        """[[option]]
name = "a"
[[option]]
name = "b"
[[group]]
members = ["a", "b"]
rule = "at-most-one"
zzz = 1""",
        ["demo.toml:10: group.1.zzz: unknown key; known here are members, rule, title"],
    ),
    (
        "a bool in quotes",
        'hidden = "true"',
        ["demo.toml:3: hidden: expected true or false, got text; write true without quotes"],
    ),
    (
        "a text where a list belongs",
        'examples = "demo --x"',
        ["demo.toml:3: examples: expected a list, got text; put it in brackets: ['demo --x']"],
    ),
    (
        "an effect that does not exist",
        'effect = "destroy"',
        ["demo.toml:3: effect: 'destroy' is not one of 'destructive', 'read', 'write'"],
    ),
    (
        "a common option that does not exist",
        'common = ["dry-run", "limits"]',
        [
            "demo.toml:3: common.2: 'limits' is not one of 'database-url', 'dry-run', 'limit'; did you mean 'limit'?"
        ],
    ),
    (
        "an exit code out of range",
        "success-codes = [0, 256]",
        ["demo.toml:3: success-codes.2: 256 is more than 255"],
    ),
    (
        "an exit code below zero",
        "success-codes = [-1]",
        ["demo.toml:3: success-codes.1: -1 is less than 0"],
    ),
    (
        "no success code",
        "success-codes = []",
        ["demo.toml:3: success-codes: has 0, needs at least 1"],
    ),
    (
        "a time that is none",
        'timeout = "12 hours"',
        ["demo.toml:3: timeout: '12 hours' is not a duration; write it like 90s, 12h or 1h30m"],
    ),
    (
        "a time that is a number",
        "timeout = 12",
        ["demo.toml:3: timeout: expected text, got a whole number; put it in quotes"],
    ),
    (
        "no time at all",
        'timeout = "0s"',
        ["demo.toml:3: timeout: '0s' is no time at all"],
    ),
    (
        "an empty example",
        'examples = [""]',
        ["demo.toml:3: examples.1: must not be empty"],
    ),
    (
        "options as a table",
        """[option]
name = "x"
""",
        ["demo.toml:3: option: expected tables, got a table; write [[option]]"],
    ),
    (
        "an option that is no table",
        'option = ["x"]',
        ["demo.toml:3: option.1: expected a table, got text"],
    ),
    (
        "a constant that is a number",
        """[env]
LEVEL = 3""",
        ["demo.toml:4: env.LEVEL: expected text, got a whole number; put it in quotes"],
    ),
    (
        "a date without quotes",
        """[[option]]
name = "since"
type = "date"
default = 2024-01-31""",
        [
            "demo.toml:6: option.since.default: expected a single value or a list, got a date or time without quotes; put it in quotes"
        ],
    ),
    (
        "an option without a name",
        """[[option]]
help = "x"
""",
        ["demo.toml:3: option.1.name: missing, and required; add name = 'the-name'"],
    ),
    (
        "a misspelt key of an option",
        """[[option]]
name = "model"
choises = ["a", "b"]""",
        ["demo.toml:5: option.model.choises: unknown key; did you mean 'choices'?"],
    ),
    (
        "a name in capitals",
        """[[option]]
name = "Media-Type"
""",
        [
            (
                "demo.toml:4: option.1.name: 'Media-Type' is not lower case words joined by dashes; "
                "write name = 'media-type', flag = '--Media-Type'"
            )
        ],
    ),
    (
        "a name with dashes in front",
        """[[option]]
name = "--limit"
""",
        [
            "demo.toml:4: option.1.name: '--limit' is not lower case words joined by dashes; write name = 'limit'"
        ],
    ),
    (
        "a name that is too long",
        """[[option]]
name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
""",
        [
            "demo.toml:4: option.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.name: 65 characters, 64 at the most"
        ],
    ),
    (
        "a type that does not exist",
        """[[option]]
name = "x"
type = "integer"
""",
        [
            "demo.toml:5: option.x.type: 'integer' is not one of 'bool', 'count', 'date', 'datetime', 'duration', 'float', 'int', 'path', 'str', 'uuid'; did you mean 'int'?"
        ],
    ),
    (
        "a short of two letters",
        """[[option]]
name = "x"
short = "xy"
""",
        ["demo.toml:5: option.x.short: 'xy' is not one letter or digit, without a dash"],
    ),
    (
        "a short with its dash",
        """[[option]]
name = "x"
short = "-x"
""",
        ["demo.toml:5: option.x.short: '-x' is not one letter or digit, without a dash"],
    ),
    (
        "a flag without dashes",
        """[[option]]
name = "x"
flag = "max rows"
""",
        [
            "demo.toml:5: option.x.flag: 'max rows' is not an option as a script spells it; write it with its dashes, like --name"
        ],
    ),
    (
        "a variable's name with a dash",
        """[[option]]
name = "x"
pass-env = "MY-VAR"
""",
        ["demo.toml:5: option.x.pass-env: 'MY-VAR' is not the name of an environment variable"],
    ),
    (
        "envvar with a blank",
        """[[option]]
name = "x"
envvar = "MY VAR"
""",
        ["demo.toml:5: option.x.envvar: 'MY VAR' is not the name of an environment variable"],
    ),
    (
        "envvar in a list with a blank",
        """[[option]]
name = "x"
envvar = ["OK", "MY VAR"]""",
        ["demo.toml:5: option.x.envvar.2: 'MY VAR' is not the name of an environment variable"],
    ),
    (
        "a multiple that does not exist",
        """[[option]]
name = "x"
multiple = "append"
""",
        ["demo.toml:5: option.x.multiple: 'append' is not one of 'join', 'repeat', 'spread'"],
    ),
    (
        "multiple as a bool",
        """[[option]]
name = "x"
multiple = true""",
        ["demo.toml:5: option.x.multiple: true is not one of 'join', 'repeat', 'spread'"],
    ),
    (
        "nargs below two",
        """[[option]]
name = "x"
nargs = 1""",
        ["demo.toml:5: option.x.nargs: 1 is less than 2"],
    ),
    (
        "nargs as argparse writes it",
        """[[option]]
name = "x"
nargs = "+"
""",
        ["demo.toml:5: option.x.nargs: expected a whole number, got text"],
    ),
    (
        "a count in quotes",
        """[[option]]
name = "x"
max-length = "10"
""",
        ["demo.toml:5: option.x.max-length: expected a whole number, got text; write 10 without quotes"],
    ),
    (
        "an empty separator",
        """[[option]]
name = "x"
multiple = "join"
separator = ""
""",
        ["demo.toml:6: option.x.separator: must not be empty"],
    ),
    (
        "a list among choices",
        """[[option]]
name = "x"
choices = ["a", ["b"]]""",
        ["demo.toml:5: option.x.choices.2: expected a single value, got a list"],
    ),
    (
        "a secret that is a word",
        """[[option]]
name = "x"
secret = "yes"
pass-env = "X"
""",
        ["demo.toml:5: option.x.secret: 'yes' is not one of true, false, 'url'"],
    ),
    (
        "a role that does not exist",
        """[[option]]
name = "x"
role = "dryrun"
""",
        [
            "demo.toml:5: option.x.role: 'dryrun' is not one of 'dry-run', 'limit', 'retry-items'; did you mean 'dry-run'?"
        ],
    ),
    (
        "multiple of an argument as a word",
        """[[argument]]
name = "x"
multiple = "repeat"
""",
        ["demo.toml:5: argument.x.multiple: expected true or false, got text"],
    ),
    (
        "a group of one",
        """[[option]]
name = "a"
[[group]]
members = ["a"]
rule = "at-most-one"
""",
        ["demo.toml:6: group.1.members: has 1, needs at least 2"],
    ),
    (
        "a group's rule that does not exist",
        """[[option]]
name = "a"
[[option]]
name = "b"
[[group]]
members = ["a", "b"]
rule = "one"
""",
        [
            "demo.toml:9: group.1.rule: 'one' is not one of 'all-or-none', 'at-least-one', 'at-most-one', 'exactly-one'"
        ],
    ),
    (
        "a default that is no choice",
        """[[option]]
name = "algorithm"
choices = ["md5", "sha1"]
default = "sha"
""",
        ["demo.toml:6: option.algorithm.default: 'sha' is not one of 'md5', 'sha1'; did you mean 'sha1'?"],
    ),
    (
        "a default below the range",
        """[[option]]
name = "n"
type = "int"
min = 1
default = 0""",
        ["demo.toml:7: option.n.default: 0 is less than 1"],
    ),
    (
        "a default above the range",
        """[[option]]
name = "n"
type = "float"
max = 0.5
default = 1""",
        ["demo.toml:7: option.n.default: 1 is more than 0.5"],
    ),
    (
        "a default in quotes",
        """[[option]]
name = "n"
type = "int"
default = "3"
""",
        ["demo.toml:6: option.n.default: type int wants a whole number, got text; write 3 without quotes"],
    ),
    (
        "a default that is a word",
        """[[option]]
name = "n"
type = "int"
default = "three"
""",
        ["demo.toml:6: option.n.default: type int wants a whole number, got text"],
    ),
    (
        "a default number for a text",
        """[[option]]
name = "n"
default = 3""",
        ["demo.toml:5: option.n.default: type str wants text, got a whole number; put it in quotes"],
    ),
    (
        "a default with a point",
        """[[option]]
name = "n"
type = "int"
default = 3.5""",
        ["demo.toml:6: option.n.default: type int wants a whole number, got a number with a decimal point"],
    ),
    (
        "a default bool for a number",
        """[[option]]
name = "n"
type = "int"
default = true""",
        ["demo.toml:6: option.n.default: type int wants a whole number, got true or false"],
    ),
    (
        "a default that is not finite",
        """[[option]]
name = "n"
type = "float"
default = nan""",
        ["demo.toml:6: option.n.default: nan is not a number to compare with or to send"],
    ),
    (
        "a default that the regex refuses",
        """[[option]]
name = "n"
regex = "[a-z]+"
regex-help = "lower case letters"
default = "A1"
""",
        ["demo.toml:7: option.n.default: 'A1' is not right: lower case letters"],
    ),
    (
        "a default that is too long",
        """[[option]]
name = "n"
max-length = 3
default = "four"
""",
        ["demo.toml:6: option.n.default: 4 characters, 3 at the most"],
    ),
    (
        "a default that is no date",
        """[[option]]
name = "n"
type = "date"
default = "2024-02-30"
""",
        ["demo.toml:6: option.n.default: '2024-02-30' is not a day of the calendar"],
    ),
    (
        "a default that is no duration",
        """[[option]]
name = "n"
type = "duration"
default = "1 hour"
""",
        ["demo.toml:6: option.n.default: '1 hour' is not a duration such as 90s, 12h or 1h30m"],
    ),
    (
        "a default that is no uuid",
        """[[option]]
name = "n"
type = "uuid"
default = "x"
""",
        ["demo.toml:6: option.n.default: 'x' is not a UUID such as 123e4567-e89b-12d3-a456-426614174000"],
    ),
    (
        "a default list for one value",
        """[[option]]
name = "n"
default = ["a"]""",
        [
            "demo.toml:5: option.n.default: a list, but it takes one value; give multiple or nargs, or one value"
        ],
    ),
    (
        "a single default for several values",
        """[[option]]
name = "n"
multiple = "repeat"
default = "a"
""",
        ["demo.toml:6: option.n.default: one value, but with multiple it takes a list; write ['a']"],
    ),
    (
        "a default of another length than nargs",
        """[[option]]
name = "n"
nargs = 2
default = ["a", "b", "c"]""",
        ["demo.toml:6: option.n.default: 3 given, but nargs is 2"],
    ),
    (
        "a default with too few items",
        """[[option]]
name = "n"
multiple = "repeat"
min-items = 2
default = ["a"]""",
        ["demo.toml:7: option.n.default: 1 given, but min-items is 2"],
    ),
    (
        "an empty default list",
        """[[option]]
name = "n"
multiple = "repeat"
default = []""",
        ["demo.toml:6: option.n.default: an empty list; remove it: without default nothing is sent"],
    ),
    (
        "a default's item that is no choice",
        """[[option]]
name = "n"
multiple = "repeat"
choices = ["a", "b"]
default = ["a", "c"]""",
        ["demo.toml:7: option.n.default.2: 'c' is not one of 'a', 'b'"],
    ),
    (
        "a default for what must be given",
        """[[option]]
name = "n"
required = true
default = "a"
""",
        ["demo.toml:5: option.n.required: contradicts default: there is always a value; remove one of them"],
    ),
    (
        "a bool that must be given",
        """[[option]]
name = "n"
type = "bool"
required = true""",
        ["demo.toml:6: option.n.required: a bool is never required; use type = 'str' with choices"],
    ),
    (
        "a default true that stays",
        """[[option]]
name = "n"
type = "bool"
default = true""",
        ["demo.toml:6: option.n.default: true, and nothing turns it off; give negate, or use fixed-args"],
    ),
    (
        "choices of another type",
        """[[option]]
name = "n"
type = "int"
choices = [1, "2", "x"]""",
        [
            "demo.toml:6: option.n.choices.2: type int wants a whole number, got text; write 2 without quotes",
            "demo.toml:6: option.n.choices.3: type int wants a whole number, got text",
        ],
    ),
    (
        "a choice twice",
        """[[option]]
name = "n"
ignore-case = true
choices = ["a", "A"]""",
        ["demo.toml:6: option.n.choices.2: 'A' stands twice; remove one of them"],
    ),
    (
        "a range of a text",
        """[[option]]
name = "n"
min = 1""",
        [
            "demo.toml:5: option.n.min: type str has no range; types with a range are int, float, date, datetime, duration"
        ],
    ),
    (
        "a bound in quotes",
        """[[option]]
name = "n"
type = "int"
min = "1"
""",
        ["demo.toml:6: option.n.min: type int wants a whole number, got text; write 1 without quotes"],
    ),
    (
        "a bound that is no date",
        """[[option]]
name = "n"
type = "date"
max = "tomorrow"
""",
        ["demo.toml:6: option.n.max: 'tomorrow' is not a date such as 2024-01-31"],
    ),
    (
        "a range that is empty",
        """[[option]]
name = "n"
type = "int"
min = 5
max = 1""",
        ["demo.toml:6: option.n.min: 5 is more than max, 1; exchange them"],
    ),
    (
        "a range of which one end has a zone",
        """[[option]]
name = "n"
type = "datetime"
min = "2024-01-01T00:00:00Z"
max = "2024-01-02T00:00:00"
""",
        ["demo.toml:7: option.n.max: of min and max only one has a time zone; give both one, or none"],
    ),
    (
        "choices of a bool",
        """[[option]]
name = "n"
type = "bool"
choices = [true]""",
        ["demo.toml:6: option.n.choices: a bool takes no value; remove choices, or change the type"],
    ),
    (
        "a range of a count",
        """[[option]]
name = "n"
type = "count"
max = 3""",
        ["demo.toml:6: option.n.max: a count takes no value; remove max, or change the type"],
    ),
    (
        "a regex that does not compile",
        """[[option]]
name = "n"
regex = "(a"
""",
        [
            "demo.toml:5: option.n.regex: is not a regular expression: missing ), unterminated subpattern at character 1"
        ],
    ),
    (
        "a regex that could take for ever",
        r"""[[option]]
name = "n"
regex = '(\w+\s?)+'""",
        [
            "demo.toml:5: option.n.regex: could take for ever: what is repeated can match one text in two ways; let the parts of a repeat begin with different characters"
        ],
    ),
    (
        "regex and choices",
        """[[option]]
name = "n"
regex = "a"
choices = ["a"]""",
        ["demo.toml:5: option.n.regex: choices say already what is allowed; remove one of them"],
    ),
    (
        "regex-help alone",
        """[[option]]
name = "n"
regex-help = "letters"
""",
        ["demo.toml:5: option.n.regex-help: there is no regex; add regex, or say it in help"],
    ),
    (
        "exists of a text",
        """[[option]]
name = "n"
exists = true""",
        ["demo.toml:5: option.n.exists: type str is not a path; write type = 'path'"],
    ),
    (
        "ignore-case without choices",
        """[[option]]
name = "n"
ignore-case = true""",
        ["demo.toml:5: option.n.ignore-case: there are no choices; add choices, or remove it"],
    ),
    (
        "max-items without multiple",
        """[[option]]
name = "n"
max-items = 3""",
        ["demo.toml:5: option.n.max-items: it takes one value; add multiple = 'repeat', or remove max-items"],
    ),
    (
        "items the wrong way round",
        """[[option]]
name = "n"
multiple = "repeat"
min-items = 3
max-items = 2""",
        ["demo.toml:6: option.n.min-items: 3 is more than max-items, 2; exchange them"],
    ),
    (
        "a separator without join",
        """[[option]]
name = "n"
multiple = "spread"
separator = ";"
""",
        [
            "demo.toml:6: option.n.separator: only multiple = 'join' has one; write multiple = 'join', or remove it"
        ],
    ),
    (
        "a choice with the separator in it",
        """[[option]]
name = "n"
multiple = "join"
choices = ["a,b", "c"]""",
        ["demo.toml:6: option.n.choices.1: 'a,b' holds the separator ','; choose another separator"],
    ),
    (
        "nargs with spread",
        """[[option]]
name = "n"
multiple = "spread"
nargs = 2""",
        [
            "demo.toml:6: option.n.nargs: multiple = 'spread' sends one list already; use multiple = 'repeat', or remove nargs"
        ],
    ),
    (
        "value-optional with multiple",
        """[[option]]
name = "n"
multiple = "repeat"
value-optional = true""",
        ["demo.toml:6: option.n.value-optional: does not go with multiple; remove one of them"],
    ),
    (
        "value-optional with nargs",
        """[[option]]
name = "n"
nargs = 2
value-optional = true""",
        ["demo.toml:6: option.n.value-optional: does not go with nargs; remove one of them"],
    ),
    (
        "value-optional of a bool",
        """[[option]]
name = "n"
type = "bool"
value-optional = true""",
        [
            "demo.toml:6: option.n.value-optional: a bool takes no value; remove value-optional, or change the type"
        ],
    ),
    (
        "multiple of a count",
        """[[option]]
name = "n"
type = "count"
multiple = "repeat"
""",
        ["demo.toml:6: option.n.multiple: a count takes no value; remove multiple, or change the type"],
    ),
    (
        "a placeholder of two words",
        """[[option]]
name = "n"
metavar = "A FILE"
""",
        ["demo.toml:5: option.n.metavar: 'A FILE' is not one word; write it without blanks"],
    ),
    (
        "an empty deprecation",
        """[[option]]
name = "n"
deprecated = ""
""",
        ["demo.toml:5: option.n.deprecated: empty; write true, or what to use instead"],
    ),
    (
        "an empty deprecation of the command",
        'deprecated = ""',
        ["demo.toml:3: deprecated: empty; write true, or what to use instead"],
    ),
    (
        "a secret on the argument list",
        """[[option]]
name = "token"
secret = true""",
        [
            "demo.toml:5: option.token.secret: other users of the machine can read an argument list; add pass-env = 'NAME' or pass-stdin = true"
        ],
    ),
    (
        "a secret with a default",
        """[[option]]
name = "token"
secret = true
pass-env = "TOKEN"
default = "hunter2"
""",
        [
            "demo.toml:7: option.token.default: a secret must not stand in a file that others read; remove default"
        ],
    ),
    (
        "a secret number",
        """[[option]]
name = "pin"
secret = true
pass-stdin = true
type = "int"
""",
        ["demo.toml:7: option.pin.type: a secret is of type str, not int; remove type"],
    ),
    (
        "two ways of handing over",
        """[[option]]
name = "token"
pass-env = "TOKEN"
pass-stdin = true""",
        ["demo.toml:6: option.token.pass-stdin: pass-env hands the value over already; remove one of them"],
    ),
    (
        "a flag beside a variable",
        """[[option]]
name = "token"
pass-env = "TOKEN"
flag = "--token"
""",
        ["demo.toml:6: option.token.flag: pass-env hands the value over already; remove flag or pass-env"],
    ),
    (
        "several values in one variable",
        """[[option]]
name = "token"
pass-env = "TOKEN"
multiple = "repeat"
""",
        ["demo.toml:6: option.token.multiple: pass-env carries one text; write multiple = 'join'"],
    ),
    (
        "a variable that chooses code",
        """[[option]]
name = "lib"
pass-env = "LD_PRELOAD"
""",
        [
            "demo.toml:5: option.lib.pass-env: LD_PRELOAD is not for specs, it makes the loader or the C library load or do other things; use a variable of your own"
        ],
    ),
    (
        "a variable that is read and chooses code",
        """[[option]]
name = "lib"
envvar = "PYTHONPATH"
""",
        [
            "demo.toml:5: option.lib.envvar: PYTHONPATH is not for specs, it says which Python code and environment are used; use a variable of your own"
        ],
    ),
    (
        "negate of a text",
        """[[option]]
name = "x"
negate = "--no-x"
""",
        ["demo.toml:5: option.x.negate: type str cannot be negated; write type = 'bool'"],
    ),
    (
        "negate that is the flag",
        """[[option]]
name = "x"
type = "bool"
negate = "--x"
""",
        ["demo.toml:6: option.x.negate: '--x' is the flag itself; write '--no-x'"],
    ),
    (
        "two on standard input",
        """[[option]]
name = "a"
pass-stdin = true
[[option]]
name = "b"
pass-stdin = true""",
        ["demo.toml:8: option.b.pass-stdin: standard input is taken by option a; use pass-env"],
    ),
    (
        "two in one variable",
        """[[option]]
name = "a"
pass-env = "X"
[[option]]
name = "b"
pass-env = "X"
""",
        ["demo.toml:8: option.b.pass-env: X is set by option a already; choose another"],
    ),
    (
        "a variable that the common option sets",
        """[[option]]
name = "a"
pass-env = "DATABASE_URL"
""",
        [
            "demo.toml:5: option.a.pass-env: DATABASE_URL is set by the common option --database-url already; choose another"
        ],
    ),
    (
        "a variable that is a constant",
        """[[option]]
name = "a"
pass-env = "LEVEL"
[env]
LEVEL = "3"
""",
        ["demo.toml:5: option.a.pass-env: LEVEL is set by [env] already; choose another"],
    ),
    (
        "a name twice",
        """[[option]]
name = "a"
[[option]]
name = "a"
flag = "--other"
""",
        ["demo.toml:6: option.a.name: 'a' is taken by an earlier option; choose another"],
    ),
    (
        "an alias that is a name",
        """[[option]]
name = "a"
[[option]]
name = "b"
aliases = ["a"]""",
        ["demo.toml:7: option.b.aliases.1: 'a' is taken by option a; choose another"],
    ),
    (
        "an alias that is a common option",
        """[[option]]
name = "rows"
aliases = ["limit"]""",
        [
            "demo.toml:5: option.rows.aliases.1: 'limit' is taken by the common option --limit; choose another, or leave 'limit' out of common"
        ],
    ),
    (
        "an argument called as an option",
        """[[option]]
name = "a"
[[argument]]
name = "a"
""",
        ["demo.toml:6: argument.a.name: 'a' is taken by option a; choose another"],
    ),
    (
        "a name of the core",
        """[[option]]
name = "server-path"
""",
        [
            "demo.toml:4: option.server-path.name: --server-path is an option of the command itself; choose another name, and write flag = '--server-path'"
        ],
    ),
    (
        "an alias of the core",
        """[[option]]
name = "interpreter"
aliases = ["python"]""",
        [
            "demo.toml:5: option.interpreter.aliases.1: --python is an option of the command itself; choose another"
        ],
    ),
    (
        "negate that is a name",
        """[[option]]
name = "no-cache"
[[option]]
name = "cache"
type = "bool"
negate = "--no-cache"
""",
        ["demo.toml:8: option.cache.negate: 'no-cache' is taken by option no-cache; choose another"],
    ),
    (
        "a short twice",
        """[[option]]
name = "a"
short = "x"
[[option]]
name = "b"
short = "x"
""",
        ["demo.toml:8: option.b.short: -x is taken by option a; choose another"],
    ),
    (
        "a short of the core",
        """[[option]]
name = "host"
short = "h"
""",
        ["demo.toml:5: option.host.short: -h is help; choose another"],
    ),
    (
        "a short of a common option",
        """[[option]]
name = "depth"
short = "d"
""",
        ["demo.toml:5: option.depth.short: -d is taken by the common option --database-url; choose another"],
    ),
    (
        "a flag twice",
        """[[option]]
name = "a"
flag = "--rows"
[[option]]
name = "rows"
""",
        ["demo.toml:7: option.rows.name: --rows is sent by option a already; choose another"],
    ),
    (
        "a flag of a common option",
        """[[option]]
name = "rows"
flag = "--limit"
""",
        [
            "demo.toml:5: option.rows.flag: --limit is sent by the common option --limit already; choose another, or leave 'limit' out of common"
        ],
    ),
    (
        "a role twice",
        """[[option]]
name = "rows"
type = "int"
role = "limit"
""",
        [
            "demo.toml:6: option.rows.role: 'limit' is the role of the common option --limit already; leave 'limit' out of common"
        ],
    ),
    (
        "a role of another type",
        """common = []
[[option]]
name = "mode"
role = "dry-run"
""",
        ["demo.toml:6: option.mode.role: 'dry-run' is for a bool, not for type str; write type = 'bool'"],
    ),
    (
        "items to retry that are one",
        """[[option]]
name = "item"
role = "retry-items"
""",
        [
            "demo.toml:5: option.item.role: 'retry-items' is for what takes a list, or a file with one; add multiple = 'repeat', or write type = 'path'"
        ],
    ),
    (
        "requires what is not there",
        """[[option]]
name = "a"
requires = ["mod"]
[[option]]
name = "mode"
""",
        ["demo.toml:5: option.a.requires.1: no option is called 'mod'; did you mean 'mode'?"],
    ),
    (
        "requires itself",
        """[[option]]
name = "a"
requires = ["a"]""",
        ["demo.toml:5: option.a.requires.1: it names itself; remove it"],
    ),
    (
        "a condition on what is not there",
        """[[option]]
name = "a"
required-if = { zzz = "remote" }""",
        [
            "demo.toml:5: option.a.required-if.zzz: no option is called 'zzz'; known are database-url, dry-run, limit, a"
        ],
    ),
    (
        "a condition that never comes true",
        """[[option]]
name = "mode"
choices = ["local", "remote"]
[[option]]
name = "host"
required-if = { mode = "remot" }""",
        [
            "demo.toml:8: option.host.required-if.mode: mode never has this value: 'remot' is not one of 'local', 'remote'; did you mean 'remote'?"
        ],
    ),
    (
        "a condition of another type",
        """[[option]]
name = "host"
required-if = { dry-run = "yes" }""",
        [
            "demo.toml:5: option.host.required-if.dry-run: dry-run never has this value: type bool wants true or false, got text"
        ],
    ),
    (
        "a condition beside required",
        """[[option]]
name = "host"
required = true
required-if = { dry-run = true }""",
        ["demo.toml:6: option.host.required-if: it is required in any case; remove required or required-if"],
    ),
    (
        "a member that is not there",
        """[[option]]
name = "alpha"
[[group]]
members = ["alpha", "alpa"]
rule = "exactly-one"
""",
        ["demo.toml:6: group.1.members.2: no option is called 'alpa'; did you mean 'alpha'?"],
    ),
    (
        "a member twice",
        """[[option]]
name = "alpha"
[[group]]
members = ["alpha", "alpha"]
rule = "exactly-one"
""",
        ["demo.toml:6: group.1.members.2: 'alpha' stands twice; remove one of them"],
    ),
    (
        "a member that must be given",
        """[[option]]
name = "a"
required = true
[[option]]
name = "b"
[[group]]
members = ["a", "b"]
rule = "exactly-one"
""",
        [
            "demo.toml:9: group.1.members.1: a is required, so no other may ever be given; remove required, or the member"
        ],
    ),
    (
        "at least one that must be given",
        """[[option]]
name = "a"
required = true
[[option]]
name = "b"
[[group]]
members = ["a", "b"]
rule = "at-least-one"
""",
        [
            "demo.toml:9: group.1.members.1: a is required, so the rule says nothing; remove required, or the member"
        ],
    ),
    (
        "a constant PATH",
        """[env]
PATH = "/tmp"
""",
        ["demo.toml:4: env.PATH: PATH is not for specs, it says where programs are found; remove it"],
    ),
    (
        "a constant proxy in small letters",
        """[env]
https_proxy = "http://x"
""",
        [
            "demo.toml:4: env.https_proxy: https_proxy is not for specs, it sends connections through another machine; remove it"
        ],
    ),
    (
        "a constant without a proper name",
        """[env]
"1 A" = "x"
""",
        ["demo.toml:4: env.1 A: '1 A' is not the name of an environment variable"],
    ),
    (
        "a constant DATABASE_URL",
        """[env]
DATABASE_URL = "postgresql://x"
""",
        [
            "demo.toml:4: env.DATABASE_URL: DATABASE_URL is set by the common option --database-url; remove it, or leave 'database-url' out of common"
        ],
    ),
    (
        "a common option twice",
        'common = ["limit", "limit"]',
        ["demo.toml:3: common.2: 'limit' stands twice; remove one of them"],
    ),
    (
        "an exit code twice",
        "success-codes = [0, 3, 0]",
        ["demo.toml:3: success-codes.3: 0 stands twice; remove one of them"],
    ),
    (
        "an example of another command",
        'examples = ["demo --limit 1", "other --limit 1"]',
        ["demo.toml:3: examples.2: does not begin with 'demo', the command's name"],
    ),
    (
        "a short help of two lines",
        r"""short-help = "a\nb"
""",
        ["demo.toml:3: short-help: is more than one line; put the rest into help"],
    ),
    (
        "a subcommand that is an option",
        'subcommand = "--run"',
        ["demo.toml:3: subcommand: '--run' begins with a dash; use fixed-args"],
    ),
    (
        "before a subcommand that is not there",
        """[[option]]
name = "x"
before-subcommand = true""",
        ["demo.toml:5: option.x.before-subcommand: there is no subcommand; add subcommand, or remove it"],
    ),
    (
        "a NUL in a fixed word",
        r"""fixed-args = ["a\u0000b"]""",
        [
            "demo.toml:3: fixed-args.1: holds a NUL character, which no argument or variable can carry; remove \\u0000"
        ],
    ),
    (
        "an argument that is a bool",
        """[[argument]]
name = "x"
type = "bool"
""",
        [
            "demo.toml:5: argument.x.type: an argument cannot be a bool, it has no flag; use type = 'str' with choices"
        ],
    ),
    (
        "any number of values in the middle",
        """[[argument]]
name = "x"
multiple = true
[[argument]]
name = "y"
""",
        [
            "demo.toml:5: argument.x.multiple: takes any number of values, and is not the last; move it to the end"
        ],
    ),
    (
        "required after optional",
        """[[argument]]
name = "x"
[[argument]]
name = "y"
required = true""",
        [
            "demo.toml:7: argument.y.required: is required, and stands after x, which is not; put required arguments first"
        ],
    ),
    (
        "an argument with nargs and multiple",
        """[[argument]]
name = "x"
multiple = true
nargs = 2""",
        ["demo.toml:6: argument.x.nargs: does not go with multiple; remove one of them"],
    ),
    (
        "a progress without done",
        r"""[output]
progress = '^(?P<total>\d+)$'""",
        ["demo.toml:4: output.progress: has no group 'done'; write (?P<done>\\d+)"],
    ),
    (
        "a progress with a group too many",
        r"""[output]
progress = '^(?P<done>\d+)/(?P<totl>\d+)$'""",
        [
            "demo.toml:4: output.progress: the group 'totl' is not one of 'done', 'total', 'rate'; did you mean 'total'?"
        ],
    ),
    (
        "a failure without its item",
        """[output]
failed = '^FAILED (?P<reason>.+)$'""",
        ["demo.toml:4: output.failed: has no group 'item'; write (?P<item>\\S+)"],
    ),
    (
        "a result that names nothing",
        r"""[output]
result = ['^updated=(\d+)$']""",
        ["demo.toml:4: output.result.1: has no named group; name a count, such as (?P<updated>\\d+)"],
    ),
    (
        "a pattern that does not compile",
        """[output]
failed = '[(?P<item>'""",
        [
            "demo.toml:4: output.failed: is not a regular expression: unterminated character set at character 1"
        ],
    ),
    (
        "a pattern that could take for ever",
        r"""[output]
result = [
  '^pending=(?P<pending>\d+)$',
  '^(?P<n>(a+)+)$',
]""",
        [
            "demo.toml:6: output.result.2: could take for ever: what is repeated can match one text in two ways; let the parts of a repeat begin with different characters"
        ],
    ),
    (
        "a pattern that could take minutes",
        """[output]
failed = '(?P<item>.*) in (?P<reason>.*)x'""",
        [
            "demo.toml:4: output.failed: could take minutes: more than two repeats can match one text; begin it with ^, or use narrower classes such as \\S or [^,] in place of '.'"
        ],
    ),
    (
        "a pattern that refers to a group",
        """[output]
failed = '^(?P<item>.)(?P=item)'""",
        [
            "demo.toml:4: output.failed: references to a group, and conditions on one, have no bound on their cost"
        ],
    ),
    (
        "a count without expectation",
        """[postcondition]
run = ["--count"]""",
        ["demo.toml:4: postcondition.run: nothing is expected of it; add expect = { pending = 0 }"],
    ),
    (
        "an expectation without a count",
        r"""[output]
result = ['^pending=(?P<pending>\d+)$']
[postcondition]
expect = { pending = 0 }""",
        [
            "demo.toml:6: postcondition.expect: nothing counts it; add run, the arguments that make the script count"
        ],
    ),
    (
        "an expectation of what no pattern names",
        r"""[output]
result = ['^pending=(?P<pending>\d+)$']
[postcondition]
run = ["--count"]
expect = { pendin = 0 }""",
        [
            "demo.toml:7: postcondition.expect.pendin: no pattern of output.result has a group 'pendin'; did you mean 'pending'?"
        ],
    ),
    (
        "an expectation without patterns",
        """[postcondition]
run = ["--count"]
expect = { left = 0 }""",
        [
            "demo.toml:5: postcondition.expect.left: no pattern of output.result has a group 'left'; add '^left=(?P<left>\\d+)$' to output.result"
        ],
    ),
    (
        "an expectation in words",
        """[postcondition]
run = ["--count"]
expect = { left = "none" }""",
        ["demo.toml:5: postcondition.expect.left: expected a whole number, got text"],
    ),
    (
        "skipped for what is not there",
        r"""[output]
result = ['^pending=(?P<pending>\d+)$']
[postcondition]
run = ["--count"]
expect = { pending = 0 }
skip-if-given = ["limits"]""",
        ["demo.toml:8: postcondition.skip-if-given.1: no option is called 'limits'; did you mean 'limit'?"],
    ),
    (
        "a proof of nothing",
        """[postcondition]
""",
        ["demo.toml:3: postcondition: proves nothing; add run and expect, or max-failed"],
    ),
    (
        "a proof in no time",
        """[postcondition]
max-failed = 0
timeout = "0s"
""",
        ["demo.toml:5: postcondition.timeout: '0s' is no time at all"],
    ),
]
"""What it is called, what stands below HEAD, what is said."""


@pytest.mark.parametrize(("text", "messages"), [pytest.param(t, m, id=i) for i, t, m in WHOLE_FILES])
def test_a_malformed_file_is_told_what_is_wrong(text: str, messages: list[str]) -> None:
    script, faults = read_script(text, "demo.toml")

    assert script is None
    assert [str(fault) for fault in faults] == messages


@pytest.mark.parametrize(("text", "messages"), [pytest.param(t, m, id=i) for i, t, m in TABLES])
def test_a_malformed_table_is_told_what_is_wrong(text: str, messages: list[str]) -> None:
    script, faults = read_script(HEAD + text, "demo.toml")

    assert script is None
    assert [str(fault) for fault in faults] == messages


def test_the_head_of_the_cases_alone_is_a_good_spec() -> None:
    script, faults = read_script(HEAD, "demo.toml")

    assert script is not None
    assert faults == ()


@pytest.mark.parametrize(
    ("stem", "message"),
    [
        pytest.param(name, f"'{name}' is a command of the program itself; rename the file", id=name)
        for name in ("runs", "specs", "doctor", "status")
    ]
    + [
        pytest.param(
            stem,
            f"the file's name is the command's, and '{stem}' is not lower case words joined by dashes; rename the file",
            id=stem,
        )
        for stem in ("my_spec", "Duration", "-x", "a--b", "über")
    ],
)
def test_a_file_whose_name_cannot_be_a_commands_is_refused(stem: str, message: str) -> None:
    script, faults = read_script(HEAD, f"{stem}.toml")

    assert script is None
    assert [str(fault) for fault in faults] == [f"{stem}.toml: {message}"]
