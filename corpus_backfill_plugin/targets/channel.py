"""One channel to a target: the agent found or shipped, requests sent, frames received."""

from __future__ import annotations

import base64
import os
import select
import signal
import subprocess  # nosec B404 - the system's own tools, with an argument list
import tempfile
import time
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

from corpus_backfill_plugin.agent.errors import AgentError, HeldError
from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.files import write_all
from corpus_backfill_plugin.agent.logs import CHUNK
from corpus_backfill_plugin.agent.plain import dump
from corpus_backfill_plugin.agent.serve import BEAT, EVENT, FRAME, SILENCE
from corpus_backfill_plugin.errors import BackfillError
from corpus_backfill_plugin.targets.bootstrap import MARKER
from corpus_backfill_plugin.targets.hops import CONTAINERS, argument_list
from corpus_backfill_plugin.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus_backfill_plugin.config import Target

_AGENT = Path(__file__).parent.parent / "agent"

CONNECT_SECONDS = 120.0
"""A person may have to give a password."""

_NOISE = 1 << 20
"""Bytes that may come before the marker."""

_TRIES = 4
_SHOWN = 300
_TOO_OLD = 45
_LOADER = (
    f"import sys;sys.version_info<(3,11) and sys.exit({_TOO_OLD});"
    "import zlib,binascii;exec(zlib.decompress(binascii.a2b_base64(sys.argv[1])))"
)
_FINDER = (
    "s=$1; shift; t=; "
    'for p in "$@" uv; do '
    'if [ "$p" = uv ]; then for u in uv "$HOME/.local/bin/uv"; do '
    'p=$("$u" python find ">=3.11" 2>/dev/null) && break; done; t="$t, uv python find"; else t="$t, $p"; fi; '
    '[ -n "$p" ] && command -v "$p" >/dev/null 2>&1 || continue; '
    '"$p" -I -S -c "$s" "$B" "$N" "$R"; c=$?; '
    f"case $c in {_TOO_OLD}|126|127) ;; *) exit $c;; esac; done; "
    'echo; echo "#corpus-agent 1 none$t"'
)
"""Tries one Python after the other: the setting, python3, the server's own, uv's. For any `sh -c`."""


class LostError(Exception):
    """The channel is gone; a run there goes on.

    Attributes:
        linked: whether the agent had answered before.
    """

    def __init__(self, why: str, *, linked: bool) -> None:
        super().__init__(why)
        self.linked = linked


class Frame(NamedTuple):
    """A piece of a log, or an event."""

    kind: int
    offset: int
    piece: bytes


class Place(NamedTuple):
    """A target and how it is called."""

    name: str
    target: Target

    def request(self, verb: str, **facts: object) -> dict[str, object]:
        """Return a request, with what the agent has to know about where it is."""
        contained = any(hop.startswith(CONTAINERS) for hop in self.target.via)
        where = {"contained": contained, "ephemeral": self.target.ephemeral_state}
        return {"verb": verb, "place": where, "server": self.target.server_path, "who": _who(), **facts}


class Channel:
    """A channel, linked when it is entered and ended for certain when it is left.

    Args:
        place: where to.
        shared: whether a connection that is there already may be used; one that is stuck must not.
        starts: whether a run is to be started.

    Raises:
        LostError: it can't be linked, or was cut.
    """

    def __init__(self, place: Place, *, shared: bool = True, starts: bool = False) -> None:
        self._place, self._shared, self._starts = place, shared, starts
        self._buffer = bytearray()
        self._linked = False

    def __enter__(self) -> Self:
        """Start it, and ship the agent if it is not there."""
        name, archive = _agent()
        self._errors: IO[bytes] = (
            tempfile.TemporaryFile()
        )  # a connection that stays holds it: no pipe would end
        # Its signals are ours alone: Ctrl-C must not cut it. It stays in our session, for a password.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGQUIT))
        own = _bootstrap(self._place.target, name, starts=self._starts)
        words = argument_list(self._place.target, own, shared=self._shared)
        try:
            self._process = subprocess.Popen(  # noqa: S603  # nosec B603 - made from checked hops
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
            )
        except OSError as error:
            self._errors.close()
            raise AgentError(f"{words[0]} can't be started: {error.strerror}", "Install it.") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._heard = self._beat = time.monotonic()
        try:
            if self._until_marker() == "need":
                packed = zlib.compress(archive)
                self._write(b"%010d" % len(packed) + packed)
        except BaseException:
            self.__exit__()
            raise
        self._linked = True
        return self

    def __exit__(self, *_: object) -> None:
        """End it by SIGKILL: a channel that was stopped obeys nothing else."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait()
        self._errors.close()

    def say(self, facts: dict[str, object]) -> None:
        """Send a request or a wish."""
        self._beat = time.monotonic()
        self._write(dump(facts) + b"\n")

    def frames(self, seconds: float) -> Iterator[Frame]:
        """Yield what came within `seconds`, beats left out, notices printed, the far end's errors raised."""
        if time.monotonic() - self._beat > BEAT:
            self.say({})
        self._read(seconds)
        while len(self._buffer) >= FRAME.size:
            kind, offset, size = FRAME.unpack_from(self._buffer)
            if not 1 <= kind <= EVENT or (size > CHUNK and kind != EVENT):
                raise self._lost("something else wrote into it")
            if len(self._buffer) < FRAME.size + size:
                break
            piece = bytes(self._buffer[FRAME.size : FRAME.size + size])
            del self._buffer[: FRAME.size + size]
            if kind != EVENT or not self._is_common(piece):
                yield Frame(kind, offset, piece)

    def _is_common(self, piece: bytes) -> bool:
        """Act on the events that any request may bring; return whether it was one."""
        if piece.startswith(b'{"notice"'):
            notify(f"{self._place.name}: {_event(piece)['notice']}")
        elif piece.startswith(b'{"error"'):
            event = _event(piece)
            kind = HeldError if event["code"] == HeldError.exit_code else AgentError
            raise kind(f"{self._place.name}: {event['error']}", event["hint"])
        else:
            return piece.startswith(b'{"beat"')
        return True

    def _until_marker(self) -> str:
        until = time.monotonic() + CONNECT_SECONDS
        while True:
            at = self._buffer.find(MARKER)
            end = self._buffer.find(b"\n", at + len(MARKER)) if at >= 0 else -1
            if end >= 0:
                word = bytes(self._buffer[at + len(MARKER) : end]).decode(errors="replace")
                del self._buffer[: end + 1]
                return self._found_python(one_line(word))
            if time.monotonic() > until or len(self._buffer) > _NOISE:
                raise self._lost("no agent answered")
            self._heard = time.monotonic()
            self._read(1.0)

    def _found_python(self, word: str) -> str:
        if word.startswith("none"):
            raise AgentError(
                f"no Python 3.11 or newer was found on {self._place.name}; tried {word[6:]}",
                "Install one there, or name it as `python` of the target.",
            )
        return word

    def _read(self, seconds: float) -> None:
        stream = self._process.stdout
        if stream is None:
            raise AssertionError(self._process)
        poller = select.poll()
        poller.register(stream, select.POLLIN)
        if poller.poll(seconds * 1000):
            piece = os.read(stream.fileno(), 1 << 20)
            if not piece:
                raise self._lost("it was closed")
            self._buffer += piece
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > SILENCE:
            raise self._lost(f"nothing was heard for {SILENCE:g} s")

    def _write(self, content: bytes) -> None:
        stream = self._process.stdin
        if stream is None:
            raise AssertionError(self._process)
        try:
            write_all(stream.fileno(), content)
        except OSError as error:
            raise self._lost("it was closed") from error

    def _lost(self, why: str) -> LostError:
        self._errors.seek(0)
        said = self._errors.read(1 << 16).decode(errors="replace").strip().splitlines()
        if said and not self._linked:
            why = one_line(said[-1])[:_SHOWN]
        return LostError(why, linked=self._linked)


def _event(piece: bytes) -> dict[str, Any]:
    import json

    event: dict[str, Any] = json.loads(piece)
    return event


def ask(place: Place, verb: str, **facts: object) -> dict[str, Any]:
    """Return the answer to one question, asked again over another channel when the first is cut.

    Raises:
        BackfillError: it can't be reached.
        AgentError: as the far end says.
    """
    for tried in range(_TRIES):
        try:
            with Channel(place, shared=tried == 0, starts=verb == "start") as channel:
                channel.say(place.request(verb, **facts, again=tried > 0))
                while True:
                    for frame in channel.frames(1.0):
                        return _event(frame.piece)
        except LostError as lost:
            if tried == _TRIES - 1 or not (lost.linked or _is_stale(lost, tried)):
                raise unreachable(place, lost) from lost
    raise AssertionError(place)


def _is_stale(lost: LostError, tried: int) -> bool:
    """Return whether a shared connection went just when it was to be used, rather than the host."""
    return tried == 0 and any(word in str(lost) for word in ("mux", "aster", "Control", "Shared"))


def changed_error(place: Place, files: list[str]) -> BackfillError:
    """Return the error for files that are no longer as they were shown."""
    return BackfillError(
        f"not started on {place.name}: {', '.join(files)} changed there meanwhile",
        "Look at the change, then run it again.",
    )


def unreachable(place: Place, lost: LostError) -> BackfillError:
    """Return the error for a target that can't be reached."""
    by_hand = " ".join(argument_list(place.target, ["true"], shared=False))
    return BackfillError(f"{place.name} can't be reached: {lost}", f"Try by hand: {by_hand}")


def _agent() -> tuple[str, bytes]:
    """Return the agent's sources, a JSON object of names and texts, and their name: a hash of that."""
    from hashlib import sha256
    from json import dumps

    modules = sorted(name for name in os.listdir(_AGENT) if name.endswith(".py"))  # noqa: PTH208 - faster
    texts = {f"{_AGENT.name}/{name}": (_AGENT / name).read_text(encoding="utf-8") for name in modules}
    packed = dumps({"__init__.py": ""} | texts).encode()
    return sha256(packed).hexdigest()[:32], packed


def _bootstrap(target: Target, name: str, *, starts: bool) -> list[str]:
    """Return the words that find a Python at the target and start the agent called `name` in it.

    One that `starts` a run begins with its supervisor: an interpreter takes as long to start as its imports.
    """
    text = (Path(__file__).parent / "bootstrap.py").read_bytes()
    packed = base64.b64encode(zlib.compress(text, 9)).decode()
    own = f"{target.server_path}/.venv/bin/python" if target.server_path else ""
    tried = [python for python in (target.python, "python3", own) if python]
    setting = f'B="$1" N="$2" R="$3"; shift 3; {_FINDER}'
    word = f"{name} start" if starts else name
    return ["sh", "-c", setting, "sh", packed, word, target.state, _LOADER, *tried]


def _who() -> str:
    from getpass import getuser

    try:
        return f"{getuser()}@{os.uname().nodename}"
    except (KeyError, OSError):
        return f"uid {os.getuid()}@{os.uname().nodename}"
