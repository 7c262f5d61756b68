"""Make a corpus of known truth: media files, a database still to be filled in, and truth.json.

Running it again puts everything back into the same state. A database that holds records of another origin
is refused.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel, col, insert, select

from corpus_server_app.database import (
    APP_FOLDER,
    DatabaseError,
    connect,
    database_url,
    described,
    reason,
)
from corpus_server_app.models import Record
from corpus_server_app.selection import batched
from corpus_server_app.synthesis import tone_in_noise, write_audio, write_image, write_video

NAMESPACE = UUID("6f2c1d38-7a55-4b0e-9d0a-3f1b52c8e9a4")
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
TRUTH = "truth.json"
NAMED_UID = 5
VARIATIONS = 4
ALGORITHMS = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True)
class Recipe:
    """One kind of file. Tolerances are those of the format, in seconds and decibels."""

    title: str
    media_type: str
    suffix: str
    seconds: float | None = None
    rate: int = 48_000
    tone_hz: float | None = None
    snr_db: float | None = None
    codec: str = ""
    bit_rate: int | None = None
    seconds_off: float = 0.001
    snr_off: float = 0.3
    flaw: str = ""


# Opus keeps nothing above 20 kHz and so takes 0.8 dB of the noise away; AAC and MP3 take a little less.
RECIPES = (
    Recipe("Tuning fork", "audio", ".wav", 3.0, 48_000, 440.0, 20.0, "pcm_s16le"),
    Recipe("Radio beacon", "audio", ".flac", 2.5, 44_100, 1000.0, 12.0, "flac"),
    Recipe(
        "Interview, first reel", "video", ".mp4", 2.0, 48_000, 523.25, 20.0, seconds_off=0.05, snr_off=1.0
    ),
    Recipe("Glockenton, größer", "audio", ".mp3", 4.0, 44_100, 880.0, 18.0, "libmp3lame", 192_000, 0.06, 1.0),
    Recipe("Silent film", "video", ".mp4", 3.0, seconds_off=0.05),
    Recipe(
        "Whistle, far away «东京»", "audio", ".opus", 3.0, 48_000, 660.0, 15.0, "libopus", 160_000, 0.03, 1.5
    ),
    Recipe("Field notes", "text", ".txt"),
    Recipe("Map of the site", "image", ".png"),
    Recipe("Portrait", "image", ".jpg"),
)
BROKEN = (
    Recipe("Broken off upload", "video", ".mp4", 2.0, 48_000, 440.0, 20.0, flaw="corrupt"),
    Recipe("Empty upload", "audio", ".wav", flaw="empty"),
    Recipe("Lost file", "audio", ".wav", flaw="missing"),
)


@dataclass(frozen=True)
class Made:
    """One file that was made, with what is known of it."""

    recipe: Recipe
    path: Path
    size: int
    hashes: dict[str, str]
    seconds: float | None
    tone_hz: float | None
    snr_db: float | None


def build_parser() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--records", type=int, default=20, metavar="N", help="records to make (default: %(default)s)"
    )
    parser.add_argument(
        "--bulk",
        type=int,
        default=0,
        metavar="N",
        help="further records that name the same files again (default: %(default)s)",
    )
    parser.add_argument(
        "--clean", action="store_true", help="leave out the corrupt, the empty and the missing file"
    )
    parser.add_argument(
        "--media",
        type=Path,
        default=APP_FOLDER / "media",
        metavar="DIR",
        help="where the files go (default: media/)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="for the noise (default: %(default)s)"
    )
    return parser


def make_file(recipe: Recipe, variation: int, path: Path, seed: int) -> Made:
    """Write one file; each variation is a little longer, higher and less noisy."""
    rng = np.random.default_rng((seed, variation, int.from_bytes(recipe.title.encode()[:6])))
    seconds = None if recipe.seconds is None else recipe.seconds + variation * 0.4
    tone_hz = None if recipe.tone_hz is None else recipe.tone_hz * (1 + variation / 12)
    snr_db = None if recipe.snr_db is None else recipe.snr_db + variation
    sound = None
    if seconds is not None and tone_hz is not None and snr_db is not None:
        sound = tone_in_noise(seconds, recipe.rate, tone_hz, snr_db, rng)
    # A new file, never the old one rewritten: other names may be linked to it.
    path.unlink(missing_ok=True)
    if recipe.flaw == "empty":
        path.touch()
    elif recipe.media_type == "text":
        path.write_text(f"{recipe.title}, sheet {variation + 1}.\nÄrger, naïveté, 東京.\n", encoding="utf-8")
    elif recipe.media_type == "image":
        write_image(path, variation)
    elif recipe.media_type == "video" and seconds is not None:
        write_video(path, seconds, sound, recipe.rate)
    elif sound is not None:
        write_audio(path, sound, recipe.rate, recipe.codec, bit_rate=recipe.bit_rate)
    if recipe.flaw == "corrupt":
        whole = path.read_bytes()
        # Without its end an mp4 has no index, as after an upload that broke off.
        path.write_bytes(whole[: len(whole) * 3 // 5])
    if recipe.flaw == "missing":
        return Made(recipe, path, 0, {}, None, None, None)
    content = path.read_bytes()
    hashes = {name: hashlib.new(name, content, usedforsecurity=False).hexdigest() for name in ALGORITHMS}
    if recipe.flaw:
        return Made(recipe, path, len(content), hashes, None, None, None)
    return Made(recipe, path, len(content), hashes, seconds, tone_hz, snr_db)


def make_files(folder: Path, count: int, *, clean: bool, seed: int) -> Iterator[Made]:
    """The files of ``count`` records: each kind and each broken one, then variations, then links to those."""
    plan = [*((recipe, 0) for recipe in RECIPES), *(() if clean else ((recipe, 0) for recipe in BROKEN))]
    plan += [(recipe, variation) for variation in range(1, VARIATIONS) for recipe in RECIPES]
    first: dict[tuple[Recipe, int], Made] = {}
    for index in range(count):
        # Only whole files are repeated.
        recipe, variation = plan[index] if index < len(plan) else _again(index - len(plan))
        path = folder / f"{index:06d}{recipe.suffix}"
        model = first.get((recipe, variation))
        if model is None:
            model = first[recipe, variation] = make_file(recipe, variation, path, seed)
            yield model
            continue
        path.unlink(missing_ok=True)
        try:
            os.link(model.path, path)
        except OSError:
            shutil.copyfile(model.path, path)
        yield Made(recipe, path, model.size, model.hashes, model.seconds, model.tone_hz, model.snr_db)


def _again(index: int) -> tuple[Recipe, int]:
    return RECIPES[index % len(RECIPES)], index // len(RECIPES) % VARIATIONS


def truth_of(made: Made) -> dict[str, Any]:
    """What the backfills should find, with tolerances, and which of them should fail."""
    recipe = made.recipe
    fails: list[str] = []
    if recipe.flaw:
        fails += ["media_duration", "snr_frequency"]
    if recipe.flaw == "missing":
        fails.append("file_hashing")

    def near(value: float | None, tolerance: float) -> dict[str, float] | None:
        return None if value is None else {"value": value, "tolerance": tolerance}

    return {
        "media_type": recipe.media_type,
        "flaw": recipe.flaw or None,
        "fails": fails,
        "size": None if recipe.flaw == "missing" else made.size,
        "hashes": made.hashes,
        "duration": near(made.seconds, recipe.seconds_off),
        "snr_db": near(made.snr_db, recipe.snr_off),
        "dominant_frequency_hz": near(made.tone_hz, 1.0),
    }


def stored_path(path: Path) -> str:
    """Relative to the app's folder where possible, so that the app can be moved with its corpus."""
    path = path.resolve()
    return str(path.relative_to(APP_FOLDER)) if path.is_relative_to(APP_FOLDER) else str(path)


def remove_old_files(folder: Path) -> None:
    """Take away the files of an earlier corpus, as its truth.json lists them, and nothing else."""
    truth = folder / TRUTH
    if truth.is_file():
        for entry in json.loads(truth.read_text(encoding="utf-8")).values():
            # Names only: nothing outside the folder can be meant.
            (folder / Path(entry["file"]).name).unlink(missing_ok=True)
        truth.unlink()


def reset_tables(engine: Engine) -> None:
    """Drop and create the tables.

    Raises:
        DatabaseError: the database holds records of someone else.
    """
    if inspect(engine).has_table(str(Record.__tablename__)):
        with Session(engine) as session:
            # Uids made from names are of version 5; the app's own are random, version 4.
            if any(uid.version != NAMED_UID for uid in session.exec(select(col(Record.uid)))):
                raise DatabaseError(f"{described(engine.url)} holds records that make_corpus.py did not make")
    SQLModel.metadata.drop_all(engine)
    SQLModel.metadata.create_all(engine)


def make_corpus(engine: Engine, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Write files and rows; returns the truth by record uid."""
    reset_tables(engine)
    folder: Path = options.media.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    remove_old_files(folder)
    files = list(make_files(folder, options.records, clean=options.clean, seed=options.seed))
    whole = [made for made in files if not made.recipe.flaw]
    files += [whole[index % len(whole)] for index in range(options.bulk)]
    truth: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    for index, made in enumerate(files):
        uid = uuid5(NAMESPACE, f"{options.seed}/{index}")
        title = f"{made.recipe.title} ({index + 1})"
        truth[str(uid)] = {"title": title, "file": made.path.name, **truth_of(made)}
        rows.append(
            {
                "uid": uid,
                "title": title,
                "media_type": made.recipe.media_type,
                "file_path": stored_path(made.path),
                "created_at": FIRST_DAY + timedelta(minutes=index),
            }
        )
    with Session(engine) as session:
        for chunk in batched(rows, 1000):
            session.connection().execute(insert(Record), chunk)
        session.commit()
    (folder / TRUTH).write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return truth


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.records < 1 or options.bulk < 0 or options.seed < 0:
        parser.error("--records must be at least 1, --bulk and --seed at least 0")
    try:
        url = database_url()
        engine = connect(url)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            with engine.connect() as connection:
                # Kept in the file: readers do not wait for the writer, nor it for them.
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        truth = make_corpus(engine, options)
        engine.dispose()
    except DatabaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except DBAPIError as error:
        print(f"error: {described(url)} failed: {reason(error, url)}", file=sys.stderr)
        return 2
    print(f"{len(truth)} records in {described(url)}")
    print(f"their files and {TRUTH} in {options.media.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
