"""Make corpus.db and WAV files in FOLDER: tones of a known length, frequency and noise. Nothing is filled in."""

import argparse
import array
import math
import random
import sqlite3
import wave
from pathlib import Path

RATE = 8000
LOUD = 8000

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=lambda text: Path(text).absolute())
parser.add_argument("--records", type=int, default=6)
args = parser.parse_args()

args.folder.mkdir(parents=True, exist_ok=True)
db = sqlite3.connect(args.folder / "corpus.db")
db.executescript(
    """
    CREATE TABLE recordings (
        id INTEGER PRIMARY KEY, path TEXT, media_type TEXT, duration REAL,
        file_hash TEXT, hash_algorithm TEXT, snr_db REAL, dominant_hz REAL
    );
    CREATE TABLE recording_versions (
        recording_id INTEGER REFERENCES recordings, version INTEGER, snapshot TEXT,
        UNIQUE (recording_id, version)
    );
    """
)
for key in range(1, args.records + 1):
    shape = key % 6  # files of six shapes; further records name them again
    path = args.folder / f"{shape}.wav"
    if not path.exists():
        noise = random.Random(shape)
        hertz, seconds = 200 + 100 * shape, 0.5 + shape / 4
        samples = [
            round(LOUD * math.sin(2 * math.pi * hertz * n / RATE) + noise.gauss(0, LOUD / 20))
            for n in range(int(RATE * seconds))
        ]
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes(array.array("h", samples).tobytes())
    kind = "video" if key % 3 == 0 else "audio"
    db.execute("INSERT INTO recordings (id, path, media_type) VALUES (?, ?, ?)", (key, str(path), kind))
db.commit()
