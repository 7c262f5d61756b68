"""The process above a script: starts it, waits for every process of it, writes down how it ended.

It runs as a file in a fresh interpreter (`python -I -S supervisor.py ...`), in a session of its own, so
that nothing that befalls the CLI, its terminal or the ssh link reaches the script. It imports what is in
the interpreter already and nothing of this package: it must be there in milliseconds and small for days.

Arguments: run folder, working folder, token, control, alive and request descriptors, seconds allowed (0
for no limit), `--`, the script's argument list. The environment is the script's, the standard input as
well, and stdout and stderr are the run's logs.

What it tells on the control socket, a line each: `started PID`, or `failed ERRNO STEP`; `left` when the
script has ended and processes of it have not; `gone` when none is left. Then it waits for the other end to
be closed: whoever watches the run finishes its record. If nobody does, it becomes the finisher itself.
"""
# pathlib and contextlib would double the start-up time:
# ruff: noqa: PTH104, PTH123, PTH208, SIM105

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_GRACE = 10.0
_PATIENCE = 5
_ROOM = 512
_LOOK = 1.0
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


class Supervisor:
    """One script, from its start to the end of its last process."""

    def __init__(self, arguments: list[str]) -> None:
        self.folder, self.working, self.token = arguments[:3]
        self.control, self.alive, self.request = map(int, arguments[3:6])
        self.timeout = float(arguments[6])
        self.argv = arguments[8:]
        self.child = 0
        self.ended = False
        self.pressure = 0
        self.due = 0.0
        self.sizes, self.cut = [0, 0], [0, 0]
        self.began = time.clock_gettime(_CLOCK)

    def run(self) -> None:
        """Do it all, in this order."""
        for number in (self.control, self.request):
            os.set_inheritable(number, False)  # noqa: FBT003  positional-only
        for name in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGPIPE):
            signal.signal(name, signal.SIG_IGN)
        if self.start():
            signal.signal(signal.SIGTERM, lambda *_: self.stop("signal", "its supervisor got SIGTERM"))
            adopt_orphans()
            self.due = time.monotonic() + self.timeout if self.timeout else 0.0
            signal.signal(signal.SIGALRM, lambda *_: self.tick())
            self.tick()
            self.wait()
        self.leave()

    def start(self) -> bool:
        """Start the script and tell how that went.

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
            f'{{"pid": {self.child}, "started": {start_time(self.child)}, "boot": "{boot}",'
            f' "supervisor": {os.getpid()}, "supervisor_started": {start_time(os.getpid())},'
            f' "request": {self.request}, "clock": {self.began:.6f}}}'
        )
        try:
            write_whole(f"{self.folder}/process", facts.encode())
        except OSError as error:
            return f"{error.errno} record"
        return ""

    def wait(self) -> None:
        """Wait for the script, write down its end at once, then wait for what it left behind."""
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                break
            if pid == self.child:
                self.ended = True
                took = time.clock_gettime(_CLOCK) - self.began
                facts = f'"status": {status}, "at": {time.time():.6f}, "took": {took:.6f}'
                self.note("exit", f'{{{facts}, "printed": {self.look()}}}')
                self.tell("left")
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.let_go()
        self.tell("gone")
        force(f"{self.folder}/exit")  # now, while the watcher is at work already

    def let_go(self) -> None:
        """Free this process's share of the lock, and see that it was the last."""
        import fcntl  # noqa: PLC0415  not needed before the end

        os.close(self.alive)
        try:
            look = os.open(f"{self.folder}/alive", os.O_RDONLY)
        except OSError:
            return  # the run folder was taken away
        while True:
            try:
                fcntl.flock(look, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)  # only where orphans are not handed to us: outside Linux
            else:
                os.close(look)
                return

    def leave(self) -> None:
        """Wait for the watcher to finish the record, or become the finisher where there is none."""
        signal.signal(signal.SIGALRM, lambda *_: self.finish())
        signal.alarm(_PATIENCE)  # a watcher that was stopped (Ctrl-Z) must not keep the record open
        try:
            finished = os.read(self.control, 1)
        except OSError:
            finished = b""
        signal.alarm(0)
        if not finished:
            self.finish()
        os._exit(0)  # the watcher waits for this end; the interpreter's tidying would only hold it up

    def finish(self) -> None:
        """Turn into the finisher, a whole interpreter that still holds the one-at-a-time lock."""
        os.set_inheritable(self.request, True)  # noqa: FBT003  positional-only
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)  # the logs are the script's
        module = "corpus_backfill_plugin.run.finish"
        words = [sys.executable, "-P", "-m", module, self.folder, str(self.request)]
        os.execv(sys.executable, words)  # noqa: S606  # nosec B606 - our interpreter

    def tick(self) -> None:
        """Look at the logs once a second, and at the clock."""
        self.look()
        now = time.monotonic()
        if self.due and now >= self.due:
            self.due = now + _GRACE
            self.overdue()
        signal.setitimer(signal.ITIMER_REAL, min(_LOOK, self.due - now) if self.due else _LOOK)

    def look(self) -> list[int]:
        """Return how many bytes each log has had, those counted that a truncation took away."""
        for at, number in enumerate((1, 2)):
            # Where the last write ended is told also after a truncation, until the next write.
            size = max(os.fstat(number).st_size, os.lseek(number, 0, os.SEEK_CUR))
            if size < self.sizes[at]:
                self.cut[at] += self.sizes[at]
            self.sizes[at] = size
        return [size + cut for size, cut in zip(self.sizes, self.cut)]  # noqa: B905  two and two

    def overdue(self) -> None:
        """End a script that took too long: ask, insist, end for certain, a step every ten seconds."""
        self.pressure += 1
        if self.pressure == 1:
            self.stop("timeout", f"it took longer than {self.timeout:g} s", signal.SIGINT)
        elif self.pressure == 2:  # noqa: PLR2004  the second step
            send(os.killpg, self.child, signal.SIGTERM)
        else:
            send(os.killpg, self.child, signal.SIGKILL)
            for pid in children():
                send(os.kill, pid, signal.SIGKILL)

    def stop(self, by: str, reason: str, number: int = signal.SIGTERM) -> None:
        """Pass a request to stop on to the script, and note who asked, first come first noted."""
        note = f'{{"by": "{by}", "reason": "{reason}", "at": {time.time():.6f}}}'
        try:
            descriptor = os.open(f"{self.folder}/stop", os.O_RDWR)
            if not os.read(descriptor, _ROOM).strip():
                os.pwrite(descriptor, note.encode().ljust(_ROOM), 0)
            os.close(descriptor)
        except OSError:
            pass  # the run folder was taken away: the script is asked all the same
        if not self.ended:
            send(os.kill, self.child, number)

    def note(self, name: str, text: str) -> None:
        """Write a file of the run, again and again while the disk is full: the end must not be lost."""
        while True:
            try:
                write_whole(f"{self.folder}/{name}", text.encode())
            except FileNotFoundError:
                return  # the run folder was taken away
            except OSError:
                time.sleep(0.5)
            else:
                return

    def tell(self, line: str) -> None:
        """Tell the watcher, if there is one."""
        try:
            os.write(self.control, f"{line}\n".encode())
        except OSError:
            pass  # nobody watches


def become(argv: list[str], working: str, token: str, gate: int, tell: int) -> None:
    """Turn this fresh child into the script, or say on `tell` what stands in the way. Never returns."""
    step = "start"
    try:
        os.setpgid(0, 0)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_DFL)
            except OSError:
                pass  # kept by the C library
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
            import ctypes  # noqa: PLC0415  after the start: the script need not wait for it

            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        except (ImportError, OSError, AttributeError):
            pass  # then the lock alone tells


def children() -> list[int]:
    """Return this process's children, adopted ones included; empty where there is no /proc."""
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    return [number for number in numbers if status_field(number, 4) == os.getpid()]


def start_time(pid: int) -> int:
    """Return the kernel's start time of `pid`, or 0 where there is no /proc."""
    return status_field(pid, 22)


def status_field(pid: int, number: int) -> int:
    """Return a field of /proc/PID/stat, counted as in proc(5), of those after the name; 0 without /proc."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[number - 3])
    except OSError:
        return 0


def send(how: Callable[[int, int], None], pid: int, number: int) -> None:
    """Send a signal to what may be gone."""
    try:
        how(pid, number)
    except OSError:
        pass


def write_whole(path: str, content: bytes) -> None:
    """Write a file so that a reader finds all of it or none, in the space that the CLI has kept for it."""
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, content.ljust(_ROOM))
    finally:
        os.close(descriptor)
    os.rename(f"{path}.new", path)


def force(path: str) -> None:
    """Have a file on the disk before going on."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    except OSError:
        pass  # the run folder was taken away, or the disk fails: then nothing can be kept


if __name__ == "__main__":
    Supervisor(sys.argv[1:]).run()
