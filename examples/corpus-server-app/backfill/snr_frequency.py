"""Fill in missing signal-to-noise ratios and dominant frequencies of audio and video records."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlmodel import Session, col, update

from corpus_server_app.backfilling import Task, run
from corpus_server_app.media import MediaError, NoSoundError, file_of, sound
from corpus_server_app.models import Record
from corpus_server_app.stopping import Stop
from corpus_server_app.tone import NoToneError, Tone, ToneMeter


def build_parser() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--media-type",
        choices=["audio", "video", "both"],
        default="both",
        help="which records to measure (default: %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="list what would be done and write nothing")
    parser.add_argument("--limit", type=int, metavar="N", help="work on at most N records, failures included")
    parser.add_argument(
        "--remaining", action="store_true", help="print how many records are left to do (pending=N) and end"
    )
    parser.add_argument(
        "--ids-file", type=Path, metavar="FILE", help="work only on the records named in FILE, one uid a line"
    )
    return parser


def measure(record: Record, stop: Stop) -> Tone | None:
    """The strongest tone of the record's sound; None for a video without sound."""
    meter, rate = ToneMeter(), 0
    try:
        for piece_rate, samples in sound(file_of(record), stop):
            rate = piece_rate
            meter.add(samples)
        return meter.tone(rate)
    except NoSoundError:
        if record.media_type == "video":
            return None
        raise
    except NoToneError as error:
        raise MediaError(str(error)) from error


def write(session: Session, record: Record, tone: Tone | None) -> bool:
    """Set the values where they are still missing; a video without sound is marked as such."""
    missing = (col(Record.uid) == record.uid) & PENDING
    values: dict[str, object] = {"has_sound": tone is not None}
    if tone is not None:
        values |= {"snr_db": tone.snr_db, "dominant_frequency_hz": tone.frequency_hz}
    return session.exec(update(Record).where(missing).values(values)).rowcount == 1


def describe(tone: Tone | None) -> str:
    """The result in words."""
    return "no sound track" if tone is None else f"{tone.snr_db:.1f} dB at {tone.frequency_hz:.1f} Hz"


PENDING = col(Record.snr_db).is_(None) & col(Record.has_sound).is_not(False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 1:
        parser.error("argument --limit: must be at least 1")
    kinds = ["audio", "video"] if options.media_type == "both" else [options.media_type]
    task = Task(
        pending=col(Record.media_type).in_(kinds) & PENDING,
        verb="measure noise and frequency",
        measure=measure,
        write=write,
        describe=describe,
    )
    return run(task, options)


if __name__ == "__main__":
    sys.exit(main())
