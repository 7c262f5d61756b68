"""A script that leaves a trace of each of its starts and ends, apart from what any record says of it."""

import os
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])


def trace(text: str) -> None:
    """Append a line in one write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{text} {os.getpid()}\n".encode())
    os.close(descriptor)


trace("begin")
sys.stdout.write("begin\n")
until = time.monotonic() + seconds
while time.monotonic() < until:
    sys.stdout.write("working\n")
    time.sleep(0.02)
trace("end")
sys.exit(7)
