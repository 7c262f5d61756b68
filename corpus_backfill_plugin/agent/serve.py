"""The far end of a channel: requests come in, a JSON object a line; frames go out.

A frame is `FRAME`: kind (1 stdout, 2 stderr, 3 event), where in its log the piece begins, its length; then
the piece, for an event a JSON object. Nothing about a run depends on this process: its supervisor has a
session of its own. So the channel may be cut anywhere, and another serves from where the near end is.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.agent.attach import find, require_running, stop_run, wait_for_record
from corpus_backfill_plugin.agent.errors import AgentError
from corpus_backfill_plugin.agent.files import write_all
from corpus_backfill_plugin.agent.folder import STREAMS, RunFolder
from corpus_backfill_plugin.agent.ledger import Ledger
from corpus_backfill_plugin.agent.logs import LONGEST, opened_logs, pass_on
from corpus_backfill_plugin.agent.place import (
    about,
    changed,
    completed,
    fingerprint,
    inspect,
    missing,
    usable_state,
)
from corpus_backfill_plugin.agent.plain import build, dump
from corpus_backfill_plugin.agent.records import RunRequest
from corpus_backfill_plugin.agent.recover import current, prune, recover, resolve
from corpus_backfill_plugin.agent.state import VARIABLE, current_user
from corpus_backfill_plugin.agent.stop import Asked, FolderEnd
from corpus_backfill_plugin.agent.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from corpus_backfill_plugin.agent.link import Link
    from corpus_backfill_plugin.agent.records import RunRecord
    from corpus_backfill_plugin.agent.state import State

FRAME = struct.Struct(">BQI")
EVENT = 3
BEAT, SILENCE = 5.0, 20.0
_OUT = 1
_LEAVING_SECONDS = 10.0


class Wire:
    """The channel, as this end has it: standard input and standard output."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._poller = select.poll()
        self._poller.register(0, select.POLLIN)
        self._text, self._heard = b"", time.monotonic()
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, kind: int, offset: int, piece: bytes) -> None:
        """Send one frame."""
        with self._lock:
            write_all(_OUT, FRAME.pack(kind, offset, len(piece)) + piece)

    def say(self, **facts: object) -> None:
        """Send an event."""
        self.send(EVENT, 0, dump(facts))

    def lines(self, seconds: float) -> list[dict[str, Any]]:
        """Return what came within `seconds`, objects in their order.

        Raises:
            SystemExit: the near end has gone, or is silent; the run goes on.
        """
        if self._poller.poll(seconds * 1000):
            piece = os.read(0, 1 << 20)
            if not piece:
                sys.exit(0)
            self._heard = time.monotonic()
            *lines, self._text = (self._text + piece).split(b"\n")
            return [json.loads(line) for line in lines]
        if time.monotonic() - self._heard > SILENCE:
            sys.exit(0)  # half of a link that is cut: nobody will ever close it
        return []

    def write(self, text: str) -> None:
        """Send what this process would say on its stderr: as that, it has no reader."""
        if text.strip():
            self.say(notice=text.strip())

    def flush(self) -> None:
        """Be a text stream."""

    def _beat(self) -> None:
        with suppress(OSError):
            while True:
                time.sleep(BEAT)
                self.say(beat=True)


def main(root: str, link: Link | None) -> None:
    """Serve one request; `root` is the state folder, `link` to a supervisor for a run that is to be started.

    It is started by the bootstrap that the near end sends as an argument.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # of a terminal that we may share with the near end
    os.environ[VARIABLE] = root
    wire = Wire()
    sys.stderr = wire  # all of a stream that is used
    asks: list[dict[str, Any]] = []
    while not asks:
        asks = wire.lines(1.0)
    try:
        try:
            _VERBS[asks[0]["verb"]](wire, asks[0] | {"link": link})
        except AgentError as error:
            wire.say(error=error.problem, hint=error.hint, code=error.exit_code)
        except (OSError, ValueError, LookupError) as error:
            wire.say(error=f"the agent failed: {type(error).__name__}: {error}", hint="", code=1)
    except BrokenPipeError:
        sys.exit(0)


@contextmanager
def _opened(ask: dict[str, Any]) -> Iterator[tuple[State, Ledger]]:
    """Open state folder and ledger, and first record the end of runs that have ended."""
    state = usable_state(**ask["place"])
    with Ledger(state.ledger) as ledger:
        recover(state, ledger)
        yield state, ledger


def _about(wire: Wire, ask: dict[str, Any]) -> None:
    wire.say(**about(ask["server"], **ask["place"]))


def _inspect(wire: Wire, ask: dict[str, Any]) -> None:
    wire.say(**inspect(ask["server"], ask["have"]))


def _runs(wire: Wire, ask: dict[str, Any]) -> None:
    with _opened(ask) as (state, ledger):
        records = ledger.select(state=ask["state"], command=ask["command"], limit=ask["limit"])
        wire.say(records=[current(record, state) for record in records], damaged=sorted(ledger.damaged))


def _show(wire: Wire, ask: dict[str, Any]) -> None:
    with _opened(ask) as (state, ledger):
        record, _ = find(state, ledger, ask["run"])
        failed = ledger.failed_items(record.number)
        wire.say(record=replace(record, failed=failed), repeats=ledger.repeats(record.number))


def _stop(wire: Wire, ask: dict[str, Any]) -> None:
    with _opened(ask) as (state, ledger):
        record, folder = find(state, ledger, ask["run"])
        if record.state == "running" or not ask["again"]:
            record = stop_run(record, folder, ledger, ask["after"], _who(ask))
        wire.say(ended=_ended(wire, folder, record, ledger))


def _prune(wire: Wire, ask: dict[str, Any]) -> None:
    with _opened(ask) as (state, ledger):
        wire.say(forgotten=len(prune(state, ledger, ask["older_than"], ask["keep"])))


def _start(wire: Wire, ask: dict[str, Any]) -> None:
    """Start a run, or follow the one that the same token has started: whoever lost the link asks again."""
    with _opened(ask) as (state, ledger):
        record = _begun(ask["token"], state, ledger)
        if record is None:
            if files := changed(ask["expected"]):
                wire.say(changed=files)
                return
            if problem := missing(ask.get("paths", {}), ask["request"]["invocation"]["folder"]):
                raise AgentError(problem)
            record = _launched(ask, state, ledger)
        elif ask["link"]:
            ask["link"].close(finished=False)
        if ask["detach"]:
            wire.say(run=record.number)
            return
        _follow(wire, ask, state, ledger, record)


def _begun(token: str, state: State, ledger: Ledger) -> RunRecord | None:
    """Return the run that was started with a token; None when there is none.

    One whose agent was killed before the script could begin is proved never to have run: it is forgotten.
    """
    while record := ledger.by_token(token):
        folder = RunFolder(state.run_folder(record.number), record.token)
        if folder.process() or not folder.path.exists() or record.state not in {"running", "lost"}:
            break
        if record.state == "lost":
            ledger.forget([record.number])
        elif folder.is_gone():
            resolve(folder, record, ledger)
        else:
            time.sleep(LONGEST)  # over another link it is being started just now
    return record


def _launched(ask: dict[str, Any], state: State, ledger: Ledger) -> RunRecord:
    from corpus_backfill_plugin.agent.exclusion import acquire
    from corpus_backfill_plugin.agent.launch import Launch
    from corpus_backfill_plugin.agent.link import Link

    request, token = build(RunRequest, ask["request"]), ask["token"]
    if "urls" in ask:
        request = completed(request, ask["urls"], ask["databases"])
    launch = Launch(
        request, state, ledger,
        version=ask["version"], user=_who(ask), token=token, colours=ask["colours"],
    )  # fmt: skip
    try:
        with ask["link"] or Link() as link, closing(launch):
            launch.begin(link, acquire(request, state, ledger, wait=False)[0])
    except AgentError:
        # The same request, over a link that was cut, may have been faster at the lock or at the record.
        if launch.number or (record := ledger.by_token(token)) is None:
            raise
        return record
    record = ledger.by_token(token)
    if record is None:
        raise AgentError("the run was pruned meanwhile")
    return record


def _follow_known(wire: Wire, ask: dict[str, Any]) -> None:
    with _opened(ask) as (state, ledger):
        _follow(wire, ask, state, ledger, find(state, ledger, ask["run"])[0])


def _follow(wire: Wire, ask: dict[str, Any], state: State, ledger: Ledger, record: RunRecord) -> None:
    """Send both logs from the offsets on, until the run is proved to be gone and its end is recorded."""
    folder = RunFolder(state.run_folder(record.number), record.token)
    if record.state == "running":
        require_running(record, folder)
        while folder.process() is None and not folder.is_gone():
            time.sleep(LONGEST)  # it is being started just now, its logs may not be there
    if folder.masked.exists():
        # Secrets were taken out of the logs, which changed their length: the near end has counted that too.
        record = _ended(wire, folder, record, ledger)
    with opened_logs(folder) as logs:
        masked = folder.masked.exists()
        if masked and record.state == "running":
            return _follow(wire, ask, state, ledger, record)  # they were put in the place of others just now
        request = folder.request()
        wire.say(
            run=record.number, record=current(record, state), masked=masked,
            sizes=[os.fstat(log.fileno()).st_size for log in logs.values()],
            output=request.output if request else None,
            secrets=request.invocation.secrets if request else (),
        )  # fmt: skip
        for log, offset in zip(logs.values(), ask["masked_offsets" if masked else "offsets"], strict=True):
            log.seek(offset)
        wishes = _Wishes(wire, folder)
        goes_on = record.state == "running" and ask["until_end"]
        pass_on(
            logs,
            lambda stream, piece: wire.send(
                STREAMS.index(stream) + 1, logs[stream].tell() - len(piece), piece
            ),
            wishes.wait if goes_on else lambda _: True,
        )
    wire.say(ended=_ended(wire, folder, record, ledger) if ask["until_end"] else record)
    return None


class _Wishes(FolderEnd):
    """What the one who watches asks of a run, and whether it has ended."""

    def __init__(self, wire: Wire, folder: RunFolder) -> None:
        super().__init__(folder)
        self._wire, self._asked = wire, Asked(folder)

    def wait(self, seconds: float) -> bool:
        """Wait, obey; return whether the run has ended."""
        for line in self._wire.lines(seconds):
            if "asked" in line:
                self._obey(line)
        self._asked.insist()
        return super().wait(0)

    def _obey(self, wish: dict[str, Any]) -> None:
        """Do what is asked. A wish that comes again over another link has the same name: obeyed once."""
        again = False
        try:
            self._folder.note_stop(_who(wish), wish["how"])
            os.close(os.open(self._folder.path / f"asked.{wish['name']}", os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            again = True
        except OSError:  # no room: twice is better than never
            pass
        self._asked.ask(wish["asked"], wish["signal"], again=again)
        self._wire.say(granted=wish["name"])


def _ended(wire: Wire, folder: RunFolder, record: RunRecord, ledger: Ledger) -> RunRecord:
    """Return the record of a run whose processes are gone, once its end is written and its finisher gone.

    Not before: the finisher holds the one-at-a-time lock, and "ended" means that the next may start.
    """
    if record.state == "running":
        found = wait_for_record(record, folder, ledger, wire.lines)
    else:
        found = replace(record, failed=ledger.failed_items(record.number))
    process, until = folder.process(), time.monotonic() + _LEAVING_SECONDS
    while process and process.is_supervised() and time.monotonic() < until:
        time.sleep(LONGEST / 4)
    return found


def _who(ask: dict[str, Any]) -> str:
    """Return who asks: this account, and the person as sudo knows them, or as they say and by their key."""
    user = current_user()
    if "(" in user:
        return user
    claimed = str(ask["who"])
    with suppress(OSError, ValueError, LookupError):
        # sshd writes the key's line there where it is allowed to (ExposeAuthInfo).
        words = Path(os.environ["SSH_USER_AUTH"]).read_text(encoding="utf-8").split()
        claimed += f", key {fingerprint(words[2])}"
    return f"{user} ({claimed})"


_VERBS: dict[str, Callable[[Wire, dict[str, Any]], None]] = {
    "about": _about, "inspect": _inspect, "runs": _runs, "show": _show, "stop": _stop, "prune": _prune,
    "start": _start, "follow": _follow_known,
}  # fmt: skip
