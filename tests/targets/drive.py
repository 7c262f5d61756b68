"""Starts a shell script at a target and shows it, as `backfill --on` does: drive.py FACTS, which are JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.records import Invocation, RunRequest
from corpus_backfill_plugin.agent.redact import Secret
from corpus_backfill_plugin.config import Target
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.targets.channel import Place
from corpus_backfill_plugin.targets.watch import Watch


def request(facts: dict[str, Any]) -> RunRequest:
    """Return the request for what FACTS say."""
    secret = facts.get("secret")
    return RunRequest(
        invocation=Invocation(
            program=(facts.get("program", "/bin/sh"),),
            script="-c",
            arguments=(facts["script"],),
            folder=facts.get("folder", "/"),
            environ={"DATABASE_URL": secret} if secret else {},
            secrets=(Secret(value=secret),) if secret else (),
            secret_names=("DATABASE_URL",) if secret else (),
        ),
        command=facts.get("command", "work"),
        spec_source="test",
        spec_path="",
        spec_hash="",
        script_path="",
        script_hash="",
        options={},
        server="/",
        lock_key=facts.get("key"),
        timeout=facts.get("timeout"),
    )


def main() -> int:
    """Do it, and return the exit code."""
    facts = json.loads(sys.argv[1])
    place = Place("there", msgspec.convert(facts["target"], Target))
    started = place.request(
        "start", request=request(facts), token=facts["token"], version="test",
        expected=facts.get("expected", {}), detach=facts.get("detach", False), colours=False, until_end=True,
    )  # fmt: skip
    try:
        return Watch(place, started).to_the_end()
    except AgentError as error:
        shown = BackfillError.of(error)
        shown.show()
        return shown.exit_code


if __name__ == "__main__":
    sys.exit(main())
