"""Signal-to-noise ratio (dB) and dominant frequency (Hz) of recordings, from 16 bit mono PCM."""

import argparse
import array
import math
import os
import sqlite3
import sys
import wave

SAMPLES = 800


def analyse(path):
    """Take the strongest bin of a DFT as the signal and all the rest as noise."""
    with wave.open(path) as sound:
        rate = sound.getframerate()
        samples = array.array("h", sound.readframes(SAMPLES))
    mean = sum(samples) / len(samples)
    samples = [s - mean for s in samples]
    best, best_bin = 0.0, 0
    for k in range(1, len(samples) // 2):
        coefficient = 2 * math.cos(2 * math.pi * k / len(samples))
        one = two = 0.0
        for s in samples:
            one, two = s + coefficient * one - two, one
        power = one * one + two * two - coefficient * one * two
        if power > best:
            best, best_bin = power, k
    signal = 2 * best / len(samples) ** 2
    noise = sum(s * s for s in samples) / len(samples) - signal
    return 10 * math.log10(signal / max(noise, 1e-9)), best_bin * rate / len(samples)


class Backfill:
    def __init__(self, url):
        self.db = sqlite3.connect(url.removeprefix("sqlite:///"))

    def pending(self, media_type, limit):
        kinds = {"audio": ["audio"], "video": ["video"], "both": ["audio", "video"]}[media_type]
        rows = self.db.execute("SELECT id, path, media_type FROM recordings WHERE snr_db IS NULL ORDER BY id")
        return [(key, path) for key, path, kind in rows if kind in kinds][:limit]

    def run(self, args):
        failures = []
        for key, path in self.pending(args.media_type, args.limit):
            try:
                snr, hertz = analyse(path)
            except (OSError, EOFError, wave.Error) as error:
                failures.append(path)
                print(f"ERROR {path}: {error}", file=sys.stderr)
                continue
            print(f"{path}: {snr:.1f} dB, {hertz:.0f} Hz", flush=True)
            if not args.dry_run:
                with self.db:
                    self.db.execute(
                        "UPDATE recordings SET snr_db = ?, dominant_hz = ? WHERE id = ?", (snr, hertz, key)
                    )
        return 1 if failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--media-type", choices=["audio", "video", "both"], default="both")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--limit", type=int, default=None)
    sys.exit(Backfill(os.environ["DATABASE_URL"]).run(parser.parse_args()))
