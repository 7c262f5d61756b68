"""Single values: what passes, what is said of what does not, and that nothing is rewritten."""

from __future__ import annotations

import argparse
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_backfill_plugin.specs.model import Argument, Option, ValueType
from corpus_backfill_plugin.specs.values import MAX_CHECKED, check_value, parse_duration, value_text

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

GOOD: dict[ValueType, tuple[str, ...]] = {
    "str": ("", "x", " spaces ", "--dashes", "0", "ü\n\t", "'\""),
    "int": ("0", "-5", "+7", "007", "9" * 1000),
    "float": ("0", "-1.5", ".5", "5.", "1e-3", "+2E10"),
    "bool": ("1", "0", "true", "FALSE", "Yes", "no", "on", "off", "t", "n"),
    "count": ("0", "3"),
    "path": ("/nowhere/at/all", "relative", "-", "~"),
    "date": ("2024-02-29", "0001-01-01", "9999-12-31"),
    "datetime": ("2024-02-29", "2024-02-29T09:30", "2024-02-29 09:30:01.5", "2024-02-29T09:30:00Z",
                 "2024-02-29T09:30:00-05:00"),
    "duration": ("90s", "1h30m", "0.5d", "250ms", "2w"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"),
}  # fmt: skip
"""Values that pass."""

BAD: tuple[tuple[ValueType, str, str], ...] = (
    ("int", "", "'' is not a whole number"),
    ("int", "1_000", "'1_000' is not a whole number"),
    ("int", " 5", "' 5' is not a whole number"),
    ("int", "5\n", "'5\\n' is not a whole number"),
    ("int", "1.0", "'1.0' is not a whole number"),
    ("int", "٣", "'٣' is not a whole number"),
    ("int", "9" * 5000, f"'{'9' * 60}...' has too many digits"),
    ("int", "\x1b[2J", "'\\x1b[2J' is not a whole number"),
    ("float", "nan", "'nan' is not a number"),
    ("float", "inf", "'inf' is not a number"),
    ("float", "1e999", "'1e999' is too large a number"),
    ("float", "1_0.5", "'1_0.5' is not a number"),
    ("float", ".", "'.' is not a number"),
    ("bool", "maybe", "'maybe' is neither true nor false"),
    ("bool", "2", "'2' is neither true nor false"),
    ("count", "-1", "'-1' is less than 0, and counts how often"),
    ("path", "", "'' is not a path"),
    ("date", "20240229", "'20240229' is not a date such as 2024-01-31"),
    ("date", "2024-W01-1", "'2024-W01-1' is not a date such as 2024-01-31"),
    ("date", "2023-02-29", "'2023-02-29' is not a day of the calendar"),
    ("date", "2024-1-1", "'2024-1-1' is not a date such as 2024-01-31"),
    ("datetime", "2024-01-01T25:00", "'2024-01-01T25:00' is not a moment of the calendar"),
    ("datetime", "yesterday",
     "'yesterday' is not a time such as 2024-01-31T09:30:00 or 2024-01-31T09:30:00+02:00"),
    ("duration", "", "'' is not a duration such as 90s, 12h or 1h30m"),
    ("duration", "90", "'90' is not a duration such as 90s, 12h or 1h30m"),
    ("duration", "1h 30m", "'1h 30m' is not a duration such as 90s, 12h or 1h30m"),
    ("duration", "-1h", "'-1h' is not a duration such as 90s, 12h or 1h30m"),
    ("duration", "9" * 400 + "s", f"'{'9' * 60}...' is too long a duration, 36500d at most"),
    ("duration", "36501d", "'36501d' is too long a duration, 36500d at most"),
    ("uuid", "123e4567e89b12d3a456426614174000",
     "'123e4567e89b12d3a456426614174000' is not a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
)  # fmt: skip
"""Values that do not pass, and what is said of them."""


@pytest.mark.parametrize(("value_type", "text"), [(t, text) for t, texts in GOOD.items() for text in texts])
def test_a_value_of_its_type_passes(value_type: ValueType, text: str) -> None:
    check_value(Option(name="x", type=value_type), text)
    check_value(Argument(name="x", type=value_type), text)


@pytest.mark.parametrize(("value_type", "text", "message"), BAD)
def test_a_value_of_another_type_is_refused(value_type: ValueType, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        check_value(Option(name="x", type=value_type), text)

    assert str(refused.value) == message


@pytest.mark.parametrize("value_type", sorted(GOOD))
def test_a_nul_is_refused_in_every_type(value_type: ValueType) -> None:
    with pytest.raises(ValueError, match="holds a NUL character"):
        check_value(Option(name="x", type=value_type), GOOD[value_type][-1] + "\0")


REFUSED = (
    (Option(name="x", choices=("md5", "sha1")), "sha",
     "'sha' is not one of 'md5', 'sha1'; did you mean 'sha1'?"),
    (Option(name="x", choices=("a",)), "A", "'A' is not one of 'a'"),
    (Option(name="x", type="int", choices=(1, 2)), "3", "3 is not one of 1, 2"),
    (Option(name="x", type="int", min=1), "0", "0 is less than 1"),
    (Option(name="x", type="float", max=0.5), "0.6", "0.6 is more than 0.5"),
    (Option(name="x", type="date", min="2024-01-01"), "2023-12-31", "'2023-12-31' is less than 2024-01-01"),
    # A time in another zone, and one without the zone of its bound.
    (Option(name="x", type="datetime", max="2024-01-01T00:00:00Z"), "2024-01-01T01:00:00+00:30",
     "'2024-01-01T01:00:00+00:30' is more than 2024-01-01T00:00:00Z"),
    (Option(name="x", type="datetime", max="2024-01-01T00:00:00Z"), "2023-01-01T01:00",
     "'2023-01-01T01:00' needs a time zone, to be compared with '2024-01-01T00:00:00Z'"),
    (Option(name="x", type="duration", max="1h"), "61m", "'61m' is more than 1h"),
    (Option(name="x", max_length=3), "four", "4 characters, 3 at most"),
    # A regex matches all of a value.
    (Option(name="x", regex="[a-z]+", regex_help="lower case letters"), "abc1",
     "'abc1' is not right: lower case letters"),
    (Option(name="x", regex="[a-z]+"), "1", "'1' is not right: must match '[a-z]+'"),
    (Option(name="x", regex="a*"), "a" * (MAX_CHECKED + 1),
     f"{MAX_CHECKED + 1} characters, {MAX_CHECKED} at most"),
    (Option(name="x", type="path", exists=True), "/nowhere/at/all",
     "'/nowhere/at/all' does not exist on this machine"),
)  # fmt: skip
ALLOWED = (
    (Option(name="x", choices=("Md5",), ignore_case=True), "mD5"),
    (Option(name="x", type="int", choices=(5,)), "05"),
    (Option(name="x", type="int", min=1, max=1), "1"),
    (Option(name="x", type="duration", min="60s", max="1h"), "1m"),
    (Option(name="x", regex="a|ab"), "ab"),
    (Option(name="x", max_length=3), "äöü"),
)


@pytest.mark.parametrize(("option", "text", "message"), REFUSED, ids=[row[2][:40] for row in REFUSED])
def test_a_value_that_its_option_does_not_allow_is_refused(option: Option, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        check_value(option, text)

    assert str(refused.value) == message


@pytest.mark.parametrize(("option", "text"), ALLOWED, ids=[text for _, text in ALLOWED])
def test_a_value_that_its_option_allows_passes(option: Option, text: str) -> None:
    check_value(option, text)


def test_a_path_that_is_there_passes(tmp_path: Path) -> None:
    check_value(Option(name="x", type="path", exists=True), str(tmp_path))


@given(number=st.integers(), sign=st.sampled_from(["", "+"]))
def test_every_int_that_passes_is_read_alike_by_argparse(number: int, sign: str) -> None:
    text = f"{sign}{number}" if number >= 0 else str(number)
    check_value(Option(name="x", type="int"), text)
    parser = argparse.ArgumentParser()
    parser.add_argument("--x", type=int)

    assert parser.parse_args([f"--x={text}"]).x == number


@given(text=st.text(max_size=12))
def test_what_passes_as_a_number_is_one_for_python(text: str) -> None:
    for value_type, reader in (("int", int), ("float", float)):
        try:
            check_value(Option(name="x", type=value_type), text)  # type: ignore[arg-type]  # two of the literals
        except ValueError:
            continue
        reader(text)


@given(moment=st.datetimes())
def test_every_moment_in_iso_form_passes(moment: datetime) -> None:
    check_value(Option(name="x", type="datetime"), moment.isoformat())
    check_value(Option(name="x", type="date"), moment.date().isoformat())


@given(value=st.uuids())
def test_every_uuid_passes(value: uuid.UUID) -> None:
    check_value(Option(name="x", type="uuid"), str(value))


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_of_a_spec_passes_as_it_is_sent(number: float) -> None:
    check_value(Option(name="x", type="float", default=number), value_text(number))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h30m", 5400), ("250ms", 0.25), ("1.5d", 129600), ("1w", 604800), ("1m1m", 120)],
)
def test_a_duration_is_its_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(hours=st.integers(0, 10_000), minutes=st.integers(0, 10_000))
def test_the_parts_of_a_duration_are_added(hours: int, minutes: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m") == timedelta(hours=hours, minutes=minutes).total_seconds()


def test_a_value_of_a_spec_is_sent_as_an_operator_would_type_it() -> None:
    assert [value_text(value) for value in (True, False, 0, 1.5, "", "x")] == [
        "true",
        "false",
        "0",
        "1.5",
        "",
        "x",
    ]


@given(day=st.dates(), low=st.dates(), high=st.dates())
def test_a_range_of_dates_is_inclusive(day: date, low: date, high: date) -> None:
    option = Option(name="x", type="date", min=low.isoformat(), max=high.isoformat())
    try:
        check_value(option, day.isoformat())
    except ValueError:
        assert not low <= day <= high
    else:
        assert low <= day <= high
