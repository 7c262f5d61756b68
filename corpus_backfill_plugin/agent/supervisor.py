"""The process above a script: starts it, waits for every process of it, writes down how it ended.

It runs as a file in a fresh interpreter (`python -I -S`), in a session of its own, so that nothing that
befalls the CLI, its terminal or the ssh link reaches the script. It imports a few modules of the standard
library, before the script begins, and nothing of this package: it must start in milliseconds and stay small.

It is started with all signals blocked, and only SIGKILL can end it. SIGTERM is passed on to the script;
SIGCONT makes it look for a wish in the run folder: the number of a signal for every process of the run.
It alone reaps the script and adopted orphans, and sends signals between two reaps, to no reused number.

It starts before its run is known, as an interpreter takes milliseconds to start. Its argument is the
descriptor of the control socket, on which the run comes as descriptors: of the facts (marshalled by the same
Python: run folder, working folder, token, where this package is, whether there is code to finish from,
seconds allowed, 0 for no limit, the script's argument list, its environment), of its input and of both logs,
of that code, of the request, of `alive`, and of the other locks. It ends when none comes.

On the control socket it writes `started PID` or `failed ERRNO STEP`; `left` when the script has ended and
processes of it have not; `gone` when none is left. Then whoever watches the run finishes its record and
closes the other end; if nobody does, it becomes the finisher itself.
"""
# pathlib and contextlib would double the start-up time:
# ruff: noqa: PTH104, PTH123, PTH208

from __future__ import annotations

import _socket  # `socket` imports five times as much
import fcntl
import marshal
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_GRACE = 10.0
_PATIENCE = 5
_ROOM = 512
_DESCRIPTORS = 16
_LOOK = 1.0
_HEARD = {signal.SIGCHLD, signal.SIGTERM, signal.SIGCONT}
_INTERRUPT, _TERMINATE = 1, 2
_FINISHER = """
import sys
sys.path += sys.argv.pop().splitlines()
from corpus_backfill_plugin.agent.finish import main
sys.exit(main(sys.argv[1:]))
"""
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


class _Quiet:
    """Passes over an OSError; contextlib's would double the start-up time."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError)


quiet = _Quiet()


class Supervisor:
    """One script, from its start to the end of its last process."""

    def __init__(self, control: int, descriptors: list[int]) -> None:
        with open(descriptors[0], "rb") as stream:
            facts = marshal.load(stream)  # noqa: S302  # nosec B302 - from the process that started this one
        self.folder, self.working, self.token, package, bundled, self.timeout, self.argv, environ = facts
        for at, number in enumerate(descriptors[1:4]):
            os.dup2(number, at)
            os.close(number)
        os.environ.clear()
        os.environ.update(environ)
        self.control, (self.code, self.request, self.alive) = control, descriptors[4:7]
        self.folders = f"/dev/fd/{self.code}\n{package}" if bundled else package
        self.child = self.pressure = 0
        self.ended = self.killing = False
        self.deadline = time.monotonic() + self.timeout if self.timeout else 0.0
        self.bell, bell = os.pipe()
        for number in (self.bell, bell):
            os.set_blocking(number, False)
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
        self.sizes, self.cut = [0, 0], [0, 0]
        self.began = time.clock_gettime(_CLOCK)

    def run(self) -> None:
        """Do it all, in this order."""
        for number in (self.control, self.request, self.code):
            os.set_inheritable(number, False)  # noqa: FBT003  positional-only
        if self.start():
            for heard in _HEARD:
                signal.signal(heard, lambda *_: None)  # only its byte on the bell counts
            signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - _HEARD)
            self.wait()
        self.leave()

    def start(self) -> bool:
        """Start the script and report how that went.

        The child waits until its number is written down: no script runs that the record can't find.
        """
        gate, go = os.pipe()
        hear, tell = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(go)
            become(self.argv, self.working, self.token, gate, tell)
        os.close(tell)
        os.close(gate)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        adopt_orphans()
        failure = self.introduce()
        if not failure:
            os.write(go, b"g")
        os.close(go)
        with open(hear, "rb") as stream:
            failure = failure or stream.read().decode()
        if not failure:
            self.tell(f"started {self.child}")
            return True
        os.waitpid(self.child, 0)
        self.note("exit", f'{{"failure": "{failure}", "at": {time.time():.6f}, "took": 0}}')
        self.tell(f"failed {failure}")
        self.let_go()
        return False

    def introduce(self) -> str:
        """Write down who the processes are; return what went wrong as `ERRNO record`, or nothing."""
        try:
            with open("/proc/sys/kernel/random/boot_id") as stream:
                boot = stream.read().strip()
        except OSError:
            boot = ""
        facts = (
            f'{{"pid": {self.child}, "started": {start_time(self.child)}, "boot": "{namespace_id(boot)}",'
            f' "supervisor": {os.getpid()}, "supervisor_started": {start_time(os.getpid())},'
            f' "request": {self.request}, "clock": {self.began:.6f}}}'
        )
        try:
            write_whole(f"{self.folder}/process", facts)
        except OSError as error:
            return f"{error.errno} record"
        return ""

    def wait(self) -> None:
        """Wait for the script, write down its end at once, then wait for what it left behind."""
        pause = 0.02
        while self.reap():
            self.look()
            if self.deadline and time.monotonic() >= self.deadline:
                self.overdue()
            patience = _LOOK
            if self.killing:
                self.send_all(signal.SIGKILL)  # again and again: a process may have forked in between
                patience = pause = min(pause * 2, _LOOK)
            elif self.deadline:
                patience = max(min(patience, self.deadline - time.monotonic()), 0.0)
            if select.select([self.bell], [], [], patience)[0]:
                self.listen()
        self.let_go()
        self.tell("gone")
        with quiet:  # the folder was taken away, or the disk fails: then nothing can be kept
            exit_note = os.open(f"{self.folder}/exit", os.O_RDONLY)
            os.fsync(exit_note)  # now, while the watcher is at work already
            os.close(exit_note)

    def reap(self) -> bool:
        """Take in the children that have ended; return whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.child:
                self.ended = True
                took = time.clock_gettime(_CLOCK) - self.began
                facts = f'"status": {status}, "at": {time.time():.6f}, "took": {took:.6f}'
                self.note("exit", f'{{{facts}, "printed": {self.look()}}}')
                self.tell("left")

    def listen(self) -> None:
        """Act on the signals that came, each a byte on the bell."""
        heard = os.read(self.bell, 1 << 16)
        if signal.SIGTERM in heard:
            self.stop("signal", "its supervisor got SIGTERM")
        if signal.SIGCONT in heard:
            self.grant()

    def grant(self) -> None:
        """Do what is asked for in the file `wish`, if there is one."""
        try:
            os.rename(f"{self.folder}/wish", f"{self.folder}/wish.taken")  # so that it is granted once
            with open(f"{self.folder}/wish.taken") as stream:
                number = int(stream.read())
        except (OSError, ValueError):
            return
        if number == signal.SIGKILL:
            self.killing = True
        else:
            self.send_all(number)

    def send_all(self, number: int) -> None:
        """Send a signal to every process of the run, hidden ones included."""
        group = 0 if self.ended else self.child  # not reaped, so its number is still its own
        if group:
            with quiet:  # only a zombie is left of it
                os.killpg(group, number)
        for pid, started, member_of in descendants(os.getpid()):
            if member_of != group:
                send(pid, started, number)

    def let_go(self) -> None:
        """Free this process's share of the lock, and see that it was the last."""
        os.close(self.alive)
        with quiet:  # the run folder was taken away
            look = os.open(f"{self.folder}/alive", os.O_RDONLY)
            while True:
                try:
                    fcntl.flock(look, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(0.05)  # only where orphans are not handed to us: outside Linux
                else:
                    os.close(look)
                    return

    def leave(self) -> None:
        """Wait for the watcher to finish the record, or become the finisher where there is none.

        A watcher that was stopped (Ctrl-Z) must not keep the record open: it has to give signs of life.
        """
        with quiet:
            while select.select([self.control], [], [], _PATIENCE)[0]:
                word = os.read(self.control, 1)
                if word == b"f":
                    os._exit(0)  # the watcher waits for this end; tidying up would only delay it
                if not word:
                    break
        self.finish()

    def finish(self) -> None:
        """Turn into the finisher, a complete interpreter that still holds the one-at-a-time lock."""
        for number in (self.request, self.code):
            os.set_inheritable(number, True)  # noqa: FBT003  positional-only
        try:
            log = os.open(f"{self.folder}/finisher.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError:
            log = os.open(os.devnull, os.O_WRONLY)  # no space, or the folder was taken away
        os.dup2(log, 1)
        os.dup2(log, 2)  # the logs are the script's
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        words = [sys.executable, "-I", "-S", "-c", _FINISHER, self.folder, str(self.request), self.folders]
        try:
            os.execv(sys.executable, words)  # noqa: S606  # nosec B606 - our interpreter
        except OSError as error:
            os.write(2, f"{sys.executable}: {error.strerror}\n".encode())
            os._exit(1)

    def look(self) -> list[int]:
        """Return how many bytes each log has had, those counted that a truncation took away."""
        for at, number in enumerate((1, 2)):
            # Where the last write ended is known also after a truncation, until the next write.
            size = max(os.fstat(number).st_size, os.lseek(number, 0, os.SEEK_CUR))
            if size < self.sizes[at]:
                self.cut[at] += self.sizes[at]
            self.sizes[at] = size
        return [size + cut for size, cut in zip(self.sizes, self.cut)]  # noqa: B905  two and two

    def overdue(self) -> None:
        """End a script that took too long: interrupt, terminate, kill, a step every ten seconds."""
        self.pressure += 1
        self.deadline = time.monotonic() + _GRACE
        if self.pressure == _INTERRUPT:
            self.stop("timeout", f"it took longer than {self.timeout:g} s", signal.SIGINT)
        elif self.pressure == _TERMINATE:
            self.send_all(signal.SIGTERM)
        else:
            self.killing, self.deadline = True, 0.0

    def stop(self, by: str, reason: str, number: int = signal.SIGTERM) -> None:
        """Pass a request to stop on to the script, and note who asked, first come first noted."""
        note = f'{{"by": "{by}", "reason": "{reason}", "at": {time.time():.6f}}}'
        with quiet:  # the run folder was taken away: the script is asked all the same
            descriptor = os.open(f"{self.folder}/stop", os.O_RDWR)
            if not os.read(descriptor, _ROOM).strip():
                os.pwrite(descriptor, note.encode().ljust(_ROOM), 0)
            os.close(descriptor)
        if not self.ended:
            with quiet:  # it became another user's
                os.kill(self.child, number)

    def note(self, name: str, text: str) -> None:
        """Write a file of the run, again and again while the disk is full: the end must not be lost."""
        while True:
            try:
                return write_whole(f"{self.folder}/{name}", text)
            except FileNotFoundError:
                return None  # the run folder was taken away
            except OSError:
                time.sleep(0.5)

    def tell(self, line: str) -> None:
        """Notify the watcher, if there is one."""
        with quiet:
            os.write(self.control, f"{line}\n".encode())


def become(argv: list[str], working: str, token: str, gate: int, tell: int) -> None:
    """Turn this fresh child into the script, or write on `tell` what is in the way. Never returns."""
    step = "start"
    try:
        os.setpgid(0, 0)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with quiet:  # kept by the C library
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if os.read(gate, 1):
            step = "folder"
            os.chdir(working)
            step = "program"
            environ = os.environ | {"CORPUS_BACKFILL_RUN": token}
            os.execvpe(argv[0], argv, environ)  # noqa: S606  # nosec B606 - the script
    except OSError as error:
        os.write(tell, f"{error.errno} {step}".encode())
    finally:
        os._exit(127)


def adopt_orphans() -> None:
    """Have processes whose parent died given to this one, so that the last one's end is seen. Linux only."""
    if sys.platform == "linux":
        try:
            import ctypes

            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        except (ImportError, OSError, AttributeError):
            pass  # then the lock alone shows it


def descendants(pid: int) -> list[tuple[int, int, int]]:
    """Return number, start time and process group of all that descend from `pid`; empty without /proc."""
    below: dict[int, list[tuple[int, int, int]]] = {}
    for number in pids():
        if found := stat_fields(number):
            # Parent, group and start time are fields 4, 5 and 22 in proc(5).
            below.setdefault(int(found[1]), []).append((number, int(found[19]), int(found[2])))
    ours = below.pop(pid, [])
    for number, _, _ in ours:
        ours += below.pop(number, [])
    return ours


def pids() -> Iterator[int]:
    """Return the numbers of all processes, lowest first; none where there is no /proc."""
    try:
        return iter(sorted(int(name) for name in os.listdir("/proc") if name.isdigit()))
    except OSError:
        return iter(())


def stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, the third; none without such a process."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()
    except OSError:
        return []


def namespace_id(boot: str) -> str:
    """Return `boot` with what tells this container's process numbers from those of others on the machine."""
    try:
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    except OSError:
        return boot


def start_time(pid: int) -> int:
    """Return when `pid` was started, in the kernel's ticks since boot; 0 when there is none, or no /proc.

    A dead process that its parent has not yet waited for counts as none.
    """
    found = stat_fields(pid)
    return int(found[19]) if found and found[0] not in "ZX" else 0


def send(pid: int, started: int, number: int) -> None:
    """Send a signal to a process unless it is gone, and never to another that was given its number since."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or older than 5.3
        handle = -1
    with quiet:  # gone, or another user's
        # Not `start_time`: a process whose first thread has ended looks dead there.
        if int((stat_fields(pid) or ["0"] * 20)[19]) == started:
            if handle < 0:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(handle, number)
    if handle >= 0:
        os.close(handle)


def write_whole(path: str, content: str) -> None:
    """Write a file so that a reader finds all of it or none, in the space that the CLI has kept for it."""
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, content.encode().ljust(_ROOM))
    finally:
        os.close(descriptor)
    os.rename(f"{path}.new", path)


def receive(control: int) -> list[int]:
    """Return the descriptors that a run comes as; none when whoever started this process has ended."""
    channel = _socket.socket(fileno=control)
    _, ancillary, _, _ = channel.recvmsg(1, _socket.CMSG_SPACE(4 * _DESCRIPTORS))
    channel.detach()
    return [number for _, _, numbers in ancillary for number in memoryview(numbers).cast("i")]


def main(kind: type[Supervisor] = Supervisor) -> None:
    """Wait for a run, and see to it."""
    control = int(sys.argv[1])
    if descriptors := receive(control):
        kind(control, descriptors).run()


if __name__ == "__main__":
    main()
