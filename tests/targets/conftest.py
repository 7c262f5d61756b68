"""Targets to try: a hop of this machine always, real ones where `make targets` has set them up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tools import wait_until

BASE = Path(os.environ.get("CORPUS_TARGETS", "/var/tmp/corpus-backfill-targets"))  # noqa: S108  where machine.sh puts it
DRIVE = Path(__file__).with_name("drive.py")

HOPS = {
    "local": ("local",),
    "ssh": ("ssh:corpus-bash@box",),
    "fish": ("ssh:corpus-fish@box",),
    "csh": ("ssh:corpus-csh@box",),
    "sudo": ("sudo:corpus-bash",),
    "podman": ("podman:corpus-target",),
    "ssh, podman": ("ssh:root@box", "podman:corpus-target"),
    "ssh, ssh": ("ssh:root@box", "ssh:corpus-fish@box"),
    "kubectl": ("kubectl:prod/deploy/web:app",),
}
REAL = {"ssh", "fish", "csh", "podman", "ssh, podman", "ssh, ssh", "sudo"}


def is_set_up() -> bool:
    """Return whether `make targets` was run, and its sshd lives."""
    try:
        os.kill(int((BASE / "sshd.pid").read_text()), 0)
    except (OSError, ValueError):
        return False
    return (BASE / "ready").exists()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs real targets where there are none."""
    if is_set_up():
        return
    skip = pytest.mark.skip(reason="needs `make targets`")
    for item in items:
        name = getattr(getattr(item, "callspec", None), "params", {}).get("there")
        if name in REAL or item.get_closest_marker("real"):
            item.add_marker(skip)


@dataclass
class There:
    """A target, and what is done at it from here."""

    via: tuple[str, ...]
    state: str
    configuration: Path
    shared: bool = True
    ephemeral: bool = False
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def target(self) -> dict[str, Any]:
        """The target as in config.toml."""
        return {
            "via": self.via,
            "state": self.state,
            "control-master": self.shared,
            "ephemeral-state": self.ephemeral,
        }

    def configure(self, **facts: object) -> None:
        """Write the operator's config.toml anew, with some facts changed."""
        made = [f"{name} = {json.dumps(value)}" for name, value in (self.target | facts).items()]
        self.configuration.write_text("\n".join(("[target.there]", *made, "")), encoding="utf-8")

    def run(
        self,
        script: str,
        *,
        to: tuple[Any, Any] = (subprocess.PIPE, subprocess.PIPE),
        **facts: Any,  # noqa: ANN401  JSON
    ) -> subprocess.Popen[bytes]:
        """Start a shell script there, shown by a process here, which prints into pipes or into files."""
        token = facts.pop("token", None) or uuid.uuid4().hex
        said = json.dumps({"target": self.target, "script": script, "token": token} | facts)
        process = subprocess.Popen(
            [sys.executable, str(DRIVE), said],
            stdout=to[0],
            stderr=to[1],
            stdin=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def backfill(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the CLI with `--on` this target."""
        return subprocess.run(
            [sys.executable, "-m", "corpus_backfill_plugin", "--on", "there", *words],
            capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs that the target knows, the newest first."""
        answer = self.backfill("runs", "list", "--json", "--limit", "0")
        assert answer.returncode == 0, answer.stderr
        found: list[dict[str, Any]] = json.loads(answer.stdout)
        return found


def argument_lists() -> Iterator[bytes]:
    """Yield the argument list of each process there is."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield entry.read_bytes()


def links(pid: int) -> list[int]:
    """Return the processes at the near end of a channel: its session's, below who shows a run."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ours = [child for child in map(int, children) if os.getsid(child) == os.getsid(pid)]
    except OSError:
        return []
    return [each for child in ours for each in (child, *links(child))]


def cut(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> int:
    """Send a signal to the channel of `process`; return how many processes it had."""
    found = links(process.pid)
    for pid in found:
        with suppress(OSError):
            os.kill(pid, number)
    return len(found)


def ended(process: subprocess.Popen[bytes], seconds: float = 90) -> tuple[int, bytes, str]:
    """Return exit code, stdout and stderr."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err.decode()


@pytest.fixture(params=["local"])
def there(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401  a generator
    """A target with a state folder of its own."""
    via = HOPS[request.param]
    bins = tmp_path / "bin"
    bins.mkdir()
    (bins / "kubectl").write_bytes(Path(__file__).with_name("kubectl.sh").read_bytes())
    (bins / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bins}:{BASE / 'bin'}:{os.environ['PATH']}")
    contained = "podman" in request.param
    name = f"corpus-test-{uuid.uuid4().hex[:12]}"
    state = f"/var/lib/state/{name}" if contained else f"/var/tmp/{name}/it's a \\ st!te"  # noqa: S108  another account has to make it
    configuration = tmp_path / "home/.config/corpus-backfill/config.toml"
    found = There(via, state, configuration, ephemeral=request.param == "kubectl")
    found.configuration.parent.mkdir(parents=True)
    found.configure()
    yield found
    for process in found.started:
        process.kill()
        process.communicate()
    shutil.rmtree(BASE / "volume" / name if contained else Path(f"/var/tmp/{name}"), ignore_errors=True)  # noqa: S108  as above


def wait_for_output(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    """Return what `process` printed on stdout, as soon as `words` are in it."""
    assert process.stdout is not None
    seen = b""

    def found() -> bool:
        nonlocal seen
        assert process.stdout is not None
        seen += os.read(process.stdout.fileno(), 1 << 16)
        return words in seen

    wait_until(found, 60)
    return seen
