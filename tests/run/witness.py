"""A script that leaves a trace of each of its starts and ends, apart from what any record says of it.

With WITNESS_OBEYS it ends with 0 when it gets SIGINT, and prints nothing on the way, as the disk may be full.
With WITNESS_FAILS it names so many items as failed, prints on, and ends with 0.
"""

import os
import signal
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])


def trace(text: str) -> None:
    """Append a line in one write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{text} {os.getpid()}\n".encode())
    os.close(descriptor)


fails, obeys = int(os.environ.get("WITNESS_FAILS", "0")), "WITNESS_OBEYS" in os.environ
asked: list[int] = []
if obeys:
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
sys.stdout.write("begin\n" + "".join(f"FAILED item-{n}\n" for n in range(fails)))
trace("begin")
until = time.monotonic() + seconds
while time.monotonic() < until and not asked:
    sys.stdout.write("" if obeys else "::progress done=1 total=2\n" if fails else "working\n")
    time.sleep(0.02)
trace("end")
sys.exit(0 if fails or asked else 7)
