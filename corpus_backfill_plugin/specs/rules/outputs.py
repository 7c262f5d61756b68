"""Rules for what a script's lines mean, and for what proves a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus_backfill_plugin.agent.templates import Template, TemplateError
from corpus_backfill_plugin.specs.diagnostics import Diagnostic, KeyPath
from corpus_backfill_plugin.text import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.specs.model import Output, Script

_NAMES = {"progress": ("done", "total", "rate"), "failed": ("item", "reason")}
"""Names that are read; the first of each is needed."""


def _templates(output: Output) -> Iterator[tuple[str, KeyPath, str]]:
    for key in ("progress", "failed", "result"):
        value = getattr(output, key)
        if isinstance(value, str) and (key, value) != ("progress", "tqdm"):
            yield key, ("output", key), value
        elif value and not isinstance(value, str):
            yield from ((key, ("output", key, place), text) for place, text in enumerate(value))


def templates_are_read(script: Script) -> Iterator[Diagnostic]:
    """Each template can be matched, and has the names that it is read for."""
    for key, path, text in _templates(script.output) if script.output else ():
        try:
            names = Template(text, counts=key != "failed").names
        except TemplateError as error:
            yield Diagnostic(path, str(error), error.hint)
        else:
            yield from _name_faults(path, names, _NAMES.get(key, ()))


def _name_faults(path: KeyPath, names: tuple[str, ...], known: tuple[str, ...]) -> Iterator[Diagnostic]:
    if known and known[0] not in names:
        yield Diagnostic(path, f"has no {{{known[0]}}}", f"write {{{known[0]}}} where that stands")
    for name in names:
        if known and name not in known:
            what = f"{{{name}}} is not one of {listed(known)}"
            yield Diagnostic(path, what, nearest(name, known) or "write {} for what is to be passed over")


def proof_is_whole(script: Script) -> Iterator[Diagnostic]:
    """A count needs something that counts and something to come out."""
    proof = script.postcondition
    if proof is None:
        return
    if proof.run and not proof.expect:
        yield Diagnostic(
            ("postcondition", "run"), "nothing is expected of it", "add expect = { pending = 0 }"
        )
    if proof.expect and not proof.run:
        what = "nothing counts it"
        yield Diagnostic(
            ("postcondition", "expect"), what, "add run, the arguments that make the script count"
        )
    if proof.skip_if_given and not proof.run:
        yield Diagnostic(
            ("postcondition", "skip-if-given"), "there is no run to skip", "add run, or remove it"
        )
    if not proof.run and not proof.expect and proof.max_failed is None:
        yield Diagnostic(("postcondition",), "proves nothing", "add run and expect, or max-failed")


def expected_counts_are_printed(script: Script) -> Iterator[Diagnostic]:
    """What is expected is a name in some result template."""
    proof, texts = script.postcondition, script.output.result if script.output else ()
    if proof is None:
        return
    names: list[str] = []
    for text in texts:
        try:
            names += Template(text, counts=True).names
        except TemplateError:
            return  # reported already, and the names are not known
    for name in proof.expect:
        if name not in names:
            hint = nearest(name, names) or f"add '^{name}={{{name}}}' to output.result"
            yield Diagnostic(
                ("postcondition", "expect", name), f"no template of output.result has {{{name}}}", hint
            )


RULES = (templates_are_read, proof_is_whole, expected_counts_are_printed)
