"""A backfill started at a target, and shown here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from corpus_backfill_plugin.about import own_version
from corpus_backfill_plugin.agent.value import replace
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.invocation import shell_form, shell_line
from corpus_backfill_plugin.prepare import databases_of, prepare, url_variables
from corpus_backfill_plugin.specs.selection import shown_name
from corpus_backfill_plugin.targets.channel import ask, changed_error
from corpus_backfill_plugin.targets.hops import argument_list
from corpus_backfill_plugin.targets.watch import Watch

if TYPE_CHECKING:
    from typing import Any

    from corpus_backfill_plugin.agent.records import RunRequest
    from corpus_backfill_plugin.specs.catalog import LoadedSpec
    from corpus_backfill_plugin.specs.selection import Selection
    from corpus_backfill_plugin.targets.site import FarSite


def prepare_there(
    spec: LoadedSpec,
    chosen: Selection,
    site: FarSite,
    **limits: Any,  # noqa: ANN401 - of prepare
) -> RunRequest:
    """Return the request for a run at a target, whose account adds what it alone knows."""
    request = prepare(spec, chosen, site, **limits)
    job = request.invocation
    sent = replace(job, environ=job.environ | {n: v for n, v in site.environ.items() if n not in job.environ})
    verify = request.verify and replace(request.verify, environ=sent.environ)
    named = request.database or site.facts["database"] or None
    return replace(request, invocation=sent, verify=verify, database=named)


def shown_there(request: RunRequest, site: FarSite) -> str:
    """Return the lines to paste there, behind the way to it."""
    way = shell_line(argument_list(site.place.target, ["sh"], shared=False))
    return f"# on {site.place.name}: {way}\n{shell_form(request.invocation)}"


def start_there(
    request: RunRequest, spec: LoadedSpec, chosen: Selection, site: FarSite, *, detach: bool
) -> int:
    """Start `request` there; return the CLI's exit code for it."""
    script = spec.script
    expected = {request.script_path: request.script_hash}
    if spec.file.source == "server":
        expected[request.spec_path] = request.spec_hash
    paths = {
        shown_name(script, p.name): str(chosen.values[p.name])
        for p in (*script.options, *script.argument)
        if p.exists and isinstance(chosen.values.get(p.name), str)
    }
    asked = {
        "request": request, "token": os.urandom(16).hex(), "version": own_version(), "expected": expected,
        "paths": paths, "urls": sorted(url_variables(script)), "databases": databases_of(script, chosen, {}),
        "colours": os.isatty(1), "detach": detach, "until_end": not detach,
    }  # fmt: skip
    if not detach:
        return Watch(site.place, site.place.request("start", **asked)).to_the_end()
    answer = ask(site.place, "start", **asked)
    if "changed" in answer:
        raise changed_error(site.place, answer["changed"])
    click.echo(str(answer["run"]))
    return 0


def refuse(contrary: dict[str, bool], name: str) -> None:
    """Refuse what a run at the target called `name` can't do yet."""
    if given := [f"--{option}" for option, is_given in contrary.items() if is_given]:
        raise BackfillError(
            f"{', '.join(given)} can't be given for {name} yet", "Run it without, or --on here."
        )
