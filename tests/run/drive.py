"""The CLI's process in these tests: one run through `execute`, with whatever script a test made.

`python drive.py OPTIONS SCRIPT ARGUMENTS...` runs SCRIPT with this interpreter. `--die POINT` kills this
process or its supervisor with SIGKILL when a named point is reached; the points are functions of the
package, wrapped here, so that the package itself knows nothing of tests.
"""

import argparse
import sys
from pathlib import Path

from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.records import Invocation, Output, Postcondition, RunRequest
from corpus_backfill_plugin.agent.redact import Secret
from corpus_backfill_plugin.bridge import open_streams
from corpus_backfill_plugin.errors import BackfillError

HERE = Path(__file__).parent


def request_for(chosen: argparse.Namespace) -> RunRequest:
    secrets = {f"SECRET_{n}": s for n, s in enumerate(chosen.secret)}
    job = Invocation(
        program=tuple(chosen.program) or (sys.executable,), script=chosen.script,
        arguments=tuple(chosen.arguments), folder=chosen.folder, stdin=chosen.stdin,
        environ=({} if chosen.buffered else {"PYTHONUNBUFFERED": "1"}) | secrets,
        secrets=tuple(Secret(value=s) for s in chosen.secret),
    )  # fmt: skip
    checked = chosen.max_failed is not None
    return RunRequest(
        invocation=job, command=chosen.name, spec_source="test", spec_path="/spec.toml", spec_hash="0" * 64,
        script_path=chosen.script, script_hash="1" * 64, server=chosen.folder, lock_key=chosen.key,
        options={"token": chosen.secret[0]} if chosen.secret else {}, timeout=chosen.timeout,
        output=Output(failed="^FAILED {item}") if checked else None,
        postcondition=Postcondition(max_failed=chosen.max_failed) if checked else None,
    )  # fmt: skip


def main(words: list[str]) -> int:
    open_streams()  # as the group does before anything else
    parser = argparse.ArgumentParser()
    for flag in ("--detach", "--wait", "--no-record", "--buffered"):
        parser.add_argument(flag, action="store_true")
    for several in ("--secret", "--program"):
        parser.add_argument(several, action="append", default=[])
    defaults = {"--die": "", "--supervisor": "", "--name": "demo", "--key": None, "--stdin": None}
    for option, default in (defaults | {"--folder": str(HERE)}).items():
        parser.add_argument(option, default=default)
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--max-failed", type=int)
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(words)
    from corpus_backfill_plugin.agent import link
    from corpus_backfill_plugin.runs.execute import execute

    if chosen.supervisor:
        link.SUPERVISOR = chosen.supervisor
    if chosen.die:
        sys.path.insert(0, str(HERE.parent))
        from run.deadly import die_at

        die_at(chosen.die)
    try:
        return execute(
            request_for(chosen), detach=chosen.detach, wait=chosen.wait, record=not chosen.no_record
        )
    except AgentError as error:
        BackfillError.of(error).show()
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
