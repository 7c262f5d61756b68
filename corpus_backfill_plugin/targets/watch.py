"""A run at a target shown here, over any number of channels."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from corpus_backfill_plugin.agent.escape import notify
from corpus_backfill_plugin.agent.folder import STREAMS
from corpus_backfill_plugin.agent.plain import build
from corpus_backfill_plugin.agent.records import Output, RunRecord
from corpus_backfill_plugin.agent.redact import Masker, Secret
from corpus_backfill_plugin.runs.signals import Signals
from corpus_backfill_plugin.runs.summary import close
from corpus_backfill_plugin.targets.channel import Channel, LostError, changed_error, unreachable
from corpus_backfill_plugin.terminal.sink import LINE_EVERY, Detached, TerminalSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpus_backfill_plugin.targets.channel import Frame, Place

_SHORTEST, _LONGEST = 0.2, 30.0
_TICK = 0.1


class Watch:
    """One run at a target, started or followed.

    Args:
        place: where it is.
        request: what to ask for, `start` or `follow`; asked again over each channel.
        streams: which of the two logs are shown.
        bare: show the logs alone: no progress, no summary.
        line_every: seconds between two plain lines of progress, where there is no terminal.
    """

    def __init__(
        self,
        place: Place,
        request: dict[str, object],
        *,
        streams: Sequence[str] = STREAMS,
        bare: bool = False,
        line_every: float = LINE_EVERY,
    ) -> None:
        self._place, self._request, self._streams = place, request, streams
        self._bare, self._line_every = bare, line_every
        self._offsets, self._masked = [0, 0], [0, 0]
        self._maskers = [Masker(()), Masker(())]
        self._name = f"the run on {place.name}"
        self._wishes: list[dict[str, object]] = []
        self._asked = 0
        self._linked = False
        self._sink: TerminalSink | None = None
        self._ended: RunRecord | None = None
        self._open = ExitStack()

    def to_the_end(self) -> int:
        """Show it until it has ended, or the person leaves; return the exit code.

        Raises:
            AgentError: the target can't be reached, or says what is wrong.
            BackfillError: how it ended is not known.
        """
        with self._open, Signals() as self._signals:
            try:
                self._keep_linked()
                self._flush()
            except Detached as left:
                return left.code
        if self._ended is None:
            raise AssertionError(self._request)
        return 0 if self._bare else close(self._ended, self._name)

    def _keep_linked(self) -> None:
        """Follow it over one channel after the other; the first has to come about at once."""
        pause, cut = _SHORTEST, False
        while self._ended is None:
            try:
                starts = self._request["verb"] == "start" and self._sink is None
                with Channel(self._place, shared=not cut, starts=starts) as channel:
                    offsets = {"offsets": self._offsets, "masked_offsets": self._masked}
                    channel.say(self._request | offsets)
                    for wish in self._wishes:
                        channel.say(wish)
                    while self._ended is None:
                        for frame in channel.frames(_TICK):
                            pause = _SHORTEST
                            if cut:
                                notify(f"The link to {self._place.name} is back.")
                            self._linked, cut = True, False
                            self._take(frame)
                        self._pass_on(channel)
            except LostError as lost:
                if not self._linked and not lost.linked and cut:
                    raise unreachable(self._place, lost) from lost
                if self._linked and not cut:
                    notify(
                        f"The link to {self._place.name} is lost ({lost}); {self._name} goes on there. "
                        "Trying again; Ctrl-C leaves."
                    )
                cut = True
                self._rest(pause)
                pause = min(pause * 2, _LONGEST)

    def _take(self, frame: Frame) -> None:
        if frame.kind <= len(STREAMS):
            at = frame.kind - 1
            self._offsets[at] = frame.offset + len(frame.piece)
            self._show(at, self._maskers[at].feed(frame.piece))
            return
        event = json.loads(frame.piece)
        if "changed" in event:
            raise changed_error(self._place, event["changed"])
        if "granted" in event:
            self._wishes = [wish for wish in self._wishes if wish["name"] != event["granted"]]
        elif "ended" in event:
            self._ended = build(RunRecord, event["ended"])
        elif "run" in event:
            self._begin(event)

    def _begin(self, event: dict[str, Any]) -> None:
        """Show what comes from now on; the first time, set up where."""
        if event["masked"]:
            # Secrets were taken out of the logs there: what was held back here comes again, elsewhere.
            self._offsets = list(self._masked)
        if event["masked"] or self._sink is None:
            secrets = [build(Secret, secret) for secret in event["secrets"]]
            self._maskers = [Masker(secrets) for _ in STREAMS]
        if self._sink is None:
            record = build(RunRecord, event["record"])
            self._name = f"{record.command} (run {record.number} on {self._place.name})"
            if self._request["verb"] == "follow" and not self._bare:
                notify(f"Attached to {self._name}. Ctrl-C asks it to stop, Ctrl-\\ leaves it going on.")
            sink = TerminalSink(
                build(Output, event["output"]) if event["output"] and not self._bare else None,
                name=None if self._bare else record.command,
                took=record.took or 0.0,
                past=dict(zip(STREAMS, event["sizes"], strict=True)) if record.took else None,
                line_every=self._line_every,
            )
            self._sink = self._open.enter_context(sink)

    def _show(self, at: int, piece: bytes) -> None:
        self._masked[at] += len(piece)
        if piece and self._sink and STREAMS[at] in self._streams:
            self._sink.write(STREAMS[at], piece)

    def _flush(self) -> None:
        for at, masker in enumerate(self._maskers):
            self._show(at, masker.flush())

    def _pass_on(self, channel: Channel) -> None:
        """Send what the person asks for to the run, and leave when they leave."""
        while self._signals.pending:
            number = self._signals.pending.pop(0)
            if number in (signal.SIGHUP, signal.SIGQUIT) or self._bare:
                self._leave(number)
            self._asked += 1
            name = os.urandom(8).hex()
            how = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
            wish = self._place.request("", asked=self._asked, signal=number, how=how, name=name)
            self._wishes.append(wish)
            channel.say(wish)
            first = f"Asked {self._name} to stop; press Ctrl-C again to end it."
            notify(first if self._asked == 1 else f"Ending {self._name}.")
        if self._sink:
            self._sink.tick(time.monotonic())

    def _rest(self, seconds: float) -> None:
        """Wait for the next try; whoever presses Ctrl-C meanwhile leaves, as nothing can be asked there."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._signals.pending:
                self._leave(self._signals.pending[0])
            if self._sink:
                self._sink.tick(time.monotonic())
            time.sleep(_TICK / 2)

    def _leave(self, number: int) -> None:
        if number != signal.SIGHUP and not self._bare:
            notify(f"Left {self._name}; it goes on.")
        raise Detached(128 + number)
