"""Templates of lines: what they match, what they refuse, and that no line keeps them busy."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import corpus_backfill_plugin
from corpus_backfill_plugin.agent.output import OutputReader
from corpus_backfill_plugin.agent.records import Output
from corpus_backfill_plugin.agent.templates import MAX_TEMPLATE, Template, TemplateError


@pytest.mark.parametrize(
    ("template", "line", "values"),
    [
        ("[{done}/{total}]", "12:00 [INFO] [3/1,234] a.wav", {"done": "3", "total": "1,234"}),
        ("[{done}/{total}]", "[  3/100]", {"done": "3", "total": "100"}),
        ("[{done}/{total}]", "[x/9] [3/y]", None),
        ("{done}/{total}", "11/3", {"done": "11", "total": "3"}),
        ("{done}/{total}", "v-11/3 a11/3", None),
        ("^a={a}", "b a=1", None), ("^a={a}", "a=1 and more", {"a": "1"}), ("a={a}", "a=3,4", None),
        ("a={a},b={b}", "a=3,b=4", {"a": "3", "b": "4"}), ("a={a}", "a=" + "9" * 16, None),
        ("a={a}", "a=-3", None), ("a={a}", "a=1.5k", {"a": "1.5k"}), ("{a}k done", "12k done", {"a": "12"}),
        ("{a}.", "all 12.", {"a": "12"}), ('{{"done": {done}}}', '{"done": 5}', {"done": "5"}),
        ("in {} s: {a} done", "in 3.1 s: 7 done", {"a": "7"}), ("完了 {a}", "完了 3", {"a": "3"}),
    ],
    ids=str,
)  # fmt: skip
def test_counts_take_a_number(template: str, line: str, values: dict[str, str] | None) -> None:
    assert Template(template, counts=True).match(line) == values


@pytest.mark.parametrize(
    ("template", "line", "values"),
    [
        ("FAILED {item}: {reason}", "at 9 FAILED a b.wav: no: x ", {"item": "a b.wav", "reason": "no: x"}),
        ("FAILED {item}: {reason}", "FAILED a", None),
        ("FAILED {item}: {reason}", "FAILED : x", None),
        ("{item} failed", "a.wav failed", {"item": "a.wav"}),
        ("{} item={item} {}: {reason}", "x item=a y z: r", {"item": "a", "reason": "r"}),
        ("<{item}>", "<> <b>", {"item": "> <b"}),
    ],
    ids=str,
)
def test_other_names_take_all_up_to_the_next_literal(
    template: str, line: str, values: dict[str, str] | None
) -> None:
    assert Template(template, counts=False).match(line) == values


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", "has no name in braces"), ("done", "has no name in braces"), ("x {}", "has no name in braces"),
        ("{done", "a brace is not closed"), ("x {a-b}", "{a-b} is no name"),
        ("x {a} {a}", "{a} stands twice"),
        ("x {a}{b}", "nothing stands between {a}{b}"), ("x {a}{}", "nothing stands between {a}{}"),
        ("{a}", "has no text to know the line by"),
        ("x {a}\n", "holds an end of line, and lines are read one at a time"),
        ("x {a}0", "a digit stands right behind the number {a}"),
        ("x {a}" + "y" * MAX_TEMPLATE, f"{MAX_TEMPLATE + 5} characters, at most {MAX_TEMPLATE}"),
        (r"^u=(?P<u>\d+)$", "is a regular expression; lines are read by templates"),
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused(template: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(template, counts=True)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        (r"^FAILED (?P<item>\S+): (?P<reason>.+)$", "write '^FAILED {item}: {reason}'"),
        (r"^\[(?P<done>\d+)/(?P<total>\d+)\]", "write '^[{done}/{total}]'"),
        (r"(?i)x (?P<a>\d+)", "write {name} in place of (?P<name>...), the rest as it is printed"),
    ],
)
def test_a_regular_expression_is_shown_as_a_template(pattern: str, hint: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(pattern, counts=True)
    assert caught.value.hint == hint


LINES = st.text("ab1, :[]/{}", max_size=30)


@given(LINES, LINES)
def test_what_is_printed_by_a_template_is_read_by_it(before: str, reason: str) -> None:
    found = Template("FAILED {item}: {reason}", counts=False).match(f"{before}FAILED x: {reason}y")
    assert found == {"item": "x", "reason": f"{reason}y".strip()}


@given(st.text("ab{}1 ", max_size=12), LINES)
def test_no_match_lacks_the_needle(template: str, line: str) -> None:
    for counts in (True, False):
        try:
            ready = Template(template, counts=counts)
        except TemplateError:
            continue
        assert ready.match(line) is None or ready.needle in line.encode()


HOSTILE = {
    "opened again and again": ("[{done}/{total}]", "[1/"),
    "a number without end": ("{done} of {total}", "1"),
    "numbers that nearly go on": ("{done} of {total}!", "1 of "),
    "separators": ("x{done} of {total}", "x1,111,111,"),
    "blanks": ("x {done} y", "x" + " " * 99),
    "literals without the last": ("{a} x {b} y {c} z", " x 1 y "),
    "nothing but braces": ("{{{a}}}!", "{1}"),
}


@pytest.mark.quiet  # compares times
@pytest.mark.parametrize(("template", "piece"), HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("counts", [True, False], ids=["counts", "texts"])
def test_a_megabyte_of_near_matches_takes_time_in_proportion(
    template: str, piece: str, *, counts: bool
) -> None:
    ready = Template(template, counts=counts)

    def cost(length: int) -> float:
        line, begun = (piece * length)[:length], time.process_time()
        ready.match(line)
        return time.process_time() - begun

    # Quadratic time would be minutes; and a hundred times that of a tenth, where ten are in proportion.
    assert min(cost(1_000_000) for _ in range(3)) < max(40 * min(cost(100_000) for _ in range(3)), 0.05)
    assert cost(1_000_000) < 5


def test_a_list_gives_alternatives() -> None:
    reader = OutputReader(
        Output(progress=("[{done}/{total}]", "{done} of {total} files"), failed=("E {item}",))
    )
    reader.feed("stdout", b"[1/9]\n3 of 9 files\nE a\n", 0.0)
    assert reader.pace.said is not None
    assert (reader.pace.said.done, reader.results.failures) == (3, 1)


def test_what_runs_where_the_script_does_needs_the_standard_library_alone(tmp_path: Path) -> None:
    package = Path(corpus_backfill_plugin.__file__).parent
    (tmp_path / "corpus_backfill_plugin").mkdir()
    (tmp_path / "corpus_backfill_plugin" / "agent").symlink_to(package / "agent")
    names = [f"corpus_backfill_plugin.agent.{path.stem}" for path in (package / "agent").glob("*.py")]
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {', '.join(names)}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
