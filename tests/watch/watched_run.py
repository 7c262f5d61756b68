"""Run a Python script and show its output through the sink: `watched_run.py SCRIPT`.

The script's streams are pipes here and files in a real run; the sink does not know the difference.
"""

import os
import selectors
import subprocess
import sys
import time

from corpus_backfill_plugin.runs.summary import summary
from corpus_backfill_plugin.terminal.sink import LINE_EVERY, TerminalSink


def main(script: str) -> int:
    every = float(os.environ.get("LINE_EVERY", LINE_EVERY))
    child = subprocess.Popen(
        [sys.executable, "-u", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    started = time.monotonic()
    interrupted = False
    with TerminalSink(None, name="demo", line_every=every) as sink, selectors.DefaultSelector() as selector:
        selector.register(child.stdout or 0, selectors.EVENT_READ, "stdout")
        selector.register(child.stderr or 0, selectors.EVENT_READ, "stderr")
        try:
            while selector.get_map():
                for key, _ in selector.select(0.02):
                    piece = os.read(key.fd, 65_536)
                    if piece:
                        sink.write(key.data, piece)
                    else:
                        selector.unregister(key.fd)
                sink.tick(time.monotonic())
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        child.kill()
        sys.stderr.write("stopped\n")
    child.wait()
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()
    sys.stderr.write(summary(sink.reader.results, sink.reader.pace.said, time.monotonic() - started) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
