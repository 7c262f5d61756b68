"""A spec, an operator's command line, and what would have been started."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import Server

from corpus_backfill_plugin.agent.records import Invocation, RunRequest
from corpus_backfill_plugin.cli import backfill


@dataclass(frozen=True)
class Answer:
    """How a command line ended: with a request to run something, or with words."""

    code: int
    output: str
    requests: tuple[RunRequest, ...]

    @property
    def request(self) -> RunRequest:
        """The one request that was made."""
        assert len(self.requests) == 1, self.output
        return self.requests[0]

    @property
    def job(self) -> Invocation:
        """What would have been started."""
        return self.request.invocation

    @property
    def sent(self) -> list[str]:
        """The script's argument list."""
        return list(self.job.arguments)

    @property
    def error(self) -> str:
        """The message of a refusal; nothing was started."""
        assert self.requests == ()
        assert "Traceback" not in self.output
        return self.output.partition("Error: ")[2].strip()


class Call:
    """Call the command of a spec: `call('[[option]]...', "--x", "1")`."""

    def __init__(self, server: Server, requests: list[RunRequest]) -> None:
        self._server, self._requests = server, requests

    def __call__(
        self,
        spec: str,
        *words: str,
        env: Mapping[str, str] | None = None,
        default_map: Mapping[str, Any] | None = None,
        prefix: str | None = None,
        text: str = "",
        sub: tuple[str, ...] = (),
    ) -> Answer:
        self._requests.clear()
        self._server.spec("thing", spec if "script =" in spec else f'script = "thing.py"\n{spec}')
        result = CliRunner().invoke(
            backfill,
            [*sub, "thing", *words],
            env=dict(env or {}),
            input=text,
            default_map=dict(default_map or {}),
            auto_envvar_prefix=prefix,
            prog_name="backfill",
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.output, tuple(self._requests))


@pytest.fixture
def call(server: Server, monkeypatch: pytest.MonkeyPatch) -> Call:
    requests: list[RunRequest] = []

    def start(request: RunRequest, **_: object) -> int:
        requests.append(request)
        return 0

    # Imported later, it would keep the stand-in for good.
    import_module("corpus_backfill_plugin.commands.runs")
    monkeypatch.setattr("corpus_backfill_plugin.runs.execute.execute", start)
    monkeypatch.setenv("CORPUS_BACKFILL_PYTHON", sys.executable)
    monkeypatch.setenv("CORPUS_SERVER_APP_PATH", str(server.folder))
    server.script("thing.py")
    return Call(server, requests)
