"""Rules for what a script's lines mean, and for what proves a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.spec.fault import Finding, KeyPath
from corpus_backfill_plugin.spec.patterns import compile_pattern
from corpus_backfill_plugin.spec.wording import listed, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.spec.model import Output, Script

TQDM = "tqdm"
"""The progress that is built in, in place of a pattern."""

_GROUPS = {"progress": ("done", "total", "rate"), "failed": ("item", "reason")}
"""Named groups that are read; the first of each is needed."""


def _patterns(output: Output) -> Iterator[tuple[str, KeyPath, str]]:
    if output.progress is not None and output.progress != TQDM:
        yield "progress", ("output", "progress"), output.progress
    if output.failed is not None:
        yield "failed", ("output", "failed"), output.failed
    for position, text in enumerate(output.result):
        yield "result", ("output", "result", position), text


def patterns_are_safe(script: Script) -> Iterator[Finding]:
    """Each pattern compiles, cannot hang the program, and has the groups that it is read for."""
    for key, path, text in _patterns(script.output) if script.output else ():
        try:
            groups = tuple(compile_pattern(text).groupindex)
        except ValueError as error:
            yield Finding(path, str(error), getattr(error, "mend", ""))
        else:
            yield from _group_faults(key, path, groups)


def _group_faults(key: str, path: KeyPath, groups: tuple[str, ...]) -> Iterator[Finding]:
    if key == "result":
        if not groups:
            yield Finding(path, "has no named group", r"name a count, such as (?P<updated>\d+)")
        return
    known = _GROUPS[key]
    if known[0] not in groups:
        example = r"\d+" if key == "progress" else r"\S+"
        yield Finding(path, f"has no group {quoted(known[0])}", f"write (?P<{known[0]}>{example})")
    for group in groups:
        if group not in known:
            what = f"the group {quoted(group)} is not one of {listed(known)}"
            yield Finding(path, what, nearest(group, known))


def proof_is_whole(script: Script) -> Iterator[Finding]:
    """A count needs something that counts and something to come out."""
    proof = script.postcondition
    if proof is None:
        return
    if proof.run and not proof.expect:
        yield Finding(("postcondition", "run"), "nothing is expected of it", "add expect = { pending = 0 }")
    if proof.expect and not proof.run:
        what = "nothing counts it"
        yield Finding(("postcondition", "expect"), what, "add run, the arguments that make the script count")
    if proof.skip_if_given and not proof.run:
        yield Finding(("postcondition", "skip-if-given"), "there is no run to skip", "add run, or remove it")
    if not proof.run and not proof.expect and proof.max_failed is None:
        yield Finding(("postcondition",), "proves nothing", "add run and expect, or max-failed")


def expected_counts_are_printed(script: Script) -> Iterator[Finding]:
    """What is expected is the name of a group of some result pattern."""
    proof, texts = script.postcondition, script.output.result if script.output else ()
    if proof is None:
        return
    names: list[str] = []
    for text in texts:
        try:
            names += compile_pattern(text).groupindex
        except ValueError:
            return  # said already, and the names are not known
    for name in proof.expect:
        if name not in names:
            mend = nearest(name, names) or f"add '^{name}=(?P<{name}>\\d+)$' to output.result"
            what = f"no pattern of output.result has a group {quoted(name)}"
            yield Finding(("postcondition", "expect", name), what, mend)


RULES = (patterns_are_safe, proof_is_whole, expected_counts_are_printed)
