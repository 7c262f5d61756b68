"""What a script prints reaches the person as it is, and the log keeps it, whatever it is."""

import os
import subprocess
import sys
import time

import pexpect
import pytest
from run.conftest import Runs

ODD = {
    "bytes that are no text": b"\xff\xfe\x00caf\xe9\n",
    "terminal sequences": b"\x1b[31mred\x1b[0m \x1b]0;title\x07\r50%\r100%\n",
    "no newline at the end": b"half a line",
    "nothing": b"",
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
def test_bytes_pass_unchanged(runs: Runs, data: bytes) -> None:
    script = runs.script(f"import sys; sys.stdout.buffer.write({data!r}); sys.stderr.buffer.write({data!r})")
    assert runs.run(script) == (0, data, data)
    assert (runs.log("stdout"), runs.log("stderr")) == (data, data)


def test_lines_of_ten_megabytes_pass_whole(runs: Runs) -> None:
    script = runs.script("import sys\nfor c in 'ab': sys.stdout.write(c * 10_000_000 + '\\n')")
    ended = runs.run(script)
    assert ended.out == b"a" * 10_000_000 + b"\n" + b"b" * 10_000_000 + b"\n"


@pytest.mark.parametrize("secret", [False, True], ids=["plain", "with a secret to look for"])
def test_a_flood_on_both_streams_loses_nothing(runs: Runs, *, secret: bool) -> None:
    flood = """
        import sys
        for start in range(0, 1_000_000, 1000):
            text = "".join(f"{n:010d}\\n" for n in range(start, start + 1000))
            sys.stdout.write(text); sys.stderr.write(text)
    """
    words = ["--secret", "hunter2"] if secret else []
    out, err = runs.folder / "out", runs.folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(runs.words(*words, runs.script(flood)), stdout=stdout, stderr=stderr)
        assert process.wait(120) == 0
    whole = "".join(f"{n:010d}\n" for n in range(1_000_000)).encode()
    assert out.read_bytes() == whole
    assert err.read_bytes() == whole


@pytest.mark.quiet  # within a tenth of a second
def test_a_line_is_shown_within_a_tenth_of_a_second(runs: Runs) -> None:
    script = "import time\nfor n in range(20): print(time.monotonic(), flush=True); time.sleep(0.1)"
    process = runs.spawn(runs.script(script), bufsize=0)
    assert process.stdout
    late = [time.monotonic() - float(line) for line in process.stdout]
    assert len(late) == 20
    # The machine may be busy: most lines count.
    assert sorted(late)[15] < 0.1


def test_a_reader_who_has_seen_enough_does_not_end_the_run(runs: Runs) -> None:
    script = runs.script("import time\nfor n in range(8): print(n, flush=True); time.sleep(0.2)\ngate()")
    process = runs.spawn(script)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"0\n"
    process.stdout.close()
    assert process.wait(10) == 128 + 13
    assert process.stderr.read() == b""
    assert runs.record().state == "running"
    assert runs.let_end().state == "succeeded"
    assert runs.log() == b"".join(b"%d\n" % n for n in range(8))


def test_a_closed_stderr_is_no_reason_to_leave(runs: Runs) -> None:
    script = "import sys\nfor n in range(9): print(n, file=sys.stderr, flush=True); print(n, flush=True)"
    process = runs.spawn(runs.script(script))
    assert process.stdout
    assert process.stderr
    process.stderr.close()
    assert process.stdout.read() == b"".join(b"%d\n" % n for n in range(9))
    assert process.wait(10) == 0


def test_a_script_that_closes_its_stdout_runs_on(runs: Runs) -> None:
    script = "import os, sys, time; os.close(1); time.sleep(0.3); sys.stderr.write('on\\n'); os._exit(6)"
    assert runs.run(runs.script(script)) == (6, b"", b"on\n")


def test_a_deleted_log_is_still_shown(runs: Runs) -> None:
    process = runs.spawn(runs.script("print(1, flush=True); gate(); print(2)"), until=b"1")
    (runs.state.run_folder(1) / "stdout.log").unlink()
    runs.gate.touch()
    assert process.communicate(timeout=20)[0] == b"1\n2\n"
    assert process.returncode == 0


def test_a_truncated_log_is_shown_from_its_new_start(runs: Runs) -> None:
    process = runs.spawn(runs.script("print('first', flush=True); gate(); print(2)"))
    assert runs.first_line(process) == b"first\n"
    os.truncate(runs.state.run_folder(1) / "stdout.log", 0)
    time.sleep(0.5)  # some looks at the file, 20 ms apart: shorter than what came is how a cut is seen
    runs.gate.touch()
    assert process.communicate(timeout=20)[0] == b"2\n"


def test_a_non_blocking_stdout_gets_everything(runs: Runs) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    script = runs.script("import sys\nfor n in range(20): sys.stdout.write('x' * 100_000)")
    with subprocess.Popen(runs.words(script), stdout=writer) as process:
        os.close(writer)
        time.sleep(1)
        with open(reader, "rb") as stream:  # noqa: PTH123  a descriptor, no path
            assert len(stream.read()) == 2_000_000
        assert process.wait(20) == 0


@pytest.mark.parametrize(("environ", "told"), [({}, "1"), ({"NO_COLOR": "1"}, "None")], ids=str)
def test_colours_are_asked_for_on_a_terminal_alone(runs: Runs, environ: dict[str, str], told: str) -> None:
    script = runs.script("import os; print('told', os.environ.get('FORCE_COLOR'), os.isatty(1))")
    command, *words = runs.words(script)
    child = pexpect.spawn(command, words, env=os.environ | environ, timeout=20)
    child.expect_exact(f"told {told} False")
    child.expect(pexpect.EOF)
    child.close()
    assert runs.run(script).out == b"told None False\n"


def test_memory_stays_flat_while_much_is_shown(runs: Runs) -> None:
    script = runs.script(
        "import sys\nblock = 'x' * 99 + '\\n'\nfor n in range(2000): sys.stdout.write(block * 1000)"
    )
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv.pop(1)); import drive\n"
        "code = drive.main(sys.argv[1:])\n"
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)); sys.exit(code)"
    )
    _, drive, *words = runs.words("--secret", "hunter2", script)
    peaks = []
    for arguments in ([runs.script("", "nothing.py")], words):
        done = subprocess.run(
            [sys.executable, "-c", code, os.path.dirname(drive), *arguments],  # noqa: PTH120  of a text
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=120,
        )  # fmt: skip
        peaks.append(int(done.stderr))
    assert (runs.state.run_folder(2) / "stdout.log").stat().st_size == 200_000_000
    assert peaks[1] - peaks[0] < 8_000, "kilobytes more for 200 MB of output"
