#!/usr/bin/env python3
"""Fill in recordings.duration for WAV files that have none."""

import argparse
import os
import sqlite3
import sys
import wave
from concurrent.futures import ThreadPoolExecutor


def seconds(path):
    try:
        with wave.open(path) as sound:
            return sound.getnframes() / sound.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        return error


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media-type", choices=["audio", "video", "both"], default="both")
    parser.add_argument("--workers", type=int, default=3, help="threads")
    parser.add_argument("--batch-size", type=int, default=10, help="rows per commit")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()

    db = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
    kinds = ["audio", "video"] if args.media_type == "both" else [args.media_type]
    rows = db.execute(
        "SELECT id, path FROM recordings WHERE duration IS NULL AND media_type IN (%s) ORDER BY id LIMIT ?"
        % ", ".join("?" * len(kinds)),
        [*kinds, args.limit or -1],
    ).fetchall()
    print(f"{len(rows)} recordings without a duration")
    if args.dry_run:
        return 0

    bad = 0
    with ThreadPoolExecutor(args.workers) as pool:
        for start in range(0, len(rows), args.batch_size):
            batch = rows[start : start + args.batch_size]
            for (key, path), found in zip(batch, pool.map(seconds, [path for _, path in batch])):
                if isinstance(found, Exception):
                    print(f"{path}: {found}", file=sys.stderr)
                    bad += 1
                else:
                    db.execute("UPDATE recordings SET duration = ? WHERE id = ?", (found, key))
            db.commit()
            print(f"  {start + len(batch)} of {len(rows)}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
