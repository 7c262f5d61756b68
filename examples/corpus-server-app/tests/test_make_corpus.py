"""The corpus itself."""

import json
from pathlib import Path

from harness import SCRIPTS, App, run

from corpus_server_app.models import Record


def made(tmp_path: Path, *args: str) -> App:
    app = App(f"sqlite:///{tmp_path / 'corpus.db'}", tmp_path / "media")
    ended = run("make_corpus", *args, "--media", str(app.media), url=app.url)
    assert ended.code == 0, ended.err
    return app


def test_a_clean_corpus_reaches_nothing_left(tmp_path: Path) -> None:
    app = made(tmp_path, "--clean", "--records", "10")
    for script in SCRIPTS:
        assert app.run(script).code == 0
        assert app.remaining(script) == 0


def test_making_it_again_gives_the_same_state(tmp_path: Path) -> None:
    app = made(tmp_path, "--records", "15")
    rows, truth = app.rows(), (app.media / "truth.json").read_bytes()
    for script in SCRIPTS:
        app.run(script)
    assert app.rows() != rows
    again = made(tmp_path, "--records", "15")
    assert again.rows() == rows
    assert (app.media / "truth.json").read_bytes() == truth


def test_a_smaller_corpus_takes_the_old_files_away_and_no_others(tmp_path: Path) -> None:
    app = made(tmp_path, "--records", "14")
    (app.media / "mine.txt").write_text("mine", encoding="utf-8")
    made(tmp_path, "--records", "2")
    assert sorted(path.name for path in app.media.iterdir()) == [
        "000000.wav", "000001.flac", "mine.txt", "truth.json",
    ]  # fmt: skip


def test_many_records_share_few_files(tmp_path: Path) -> None:
    app = made(tmp_path, "--records", "100", "--bulk", "400")
    assert len(app.records()) == len(app.truth) == 500
    assert len({record.file_path for record in app.records().values()}) == 100
    files = [path for path in app.media.iterdir() if path.name != "truth.json"]
    assert len({path.stat().st_ino for path in files}) < 45


def test_records_of_another_origin_are_not_thrown_away(tmp_path: Path) -> None:
    app = made(tmp_path, "--records", "3")
    with app.session() as session:
        session.add(Record(title="mine", media_type="text", file_path="mine.txt"))
        session.commit()
    before = app.rows()
    ended = run("make_corpus", "--media", str(app.media), url=app.url)
    assert ended.code == 2
    assert "holds records that make_corpus.py did not make" in ended.err
    assert app.rows() == before


def test_the_truth_names_every_kind_of_file(sqlite_app: App) -> None:
    known = json.loads((sqlite_app.media / "truth.json").read_text(encoding="utf-8")).values()
    suffixes = {Path(entry["file"]).suffix for entry in known}
    assert suffixes == {".wav", ".flac", ".mp3", ".opus", ".mp4", ".txt", ".png", ".jpg"}
    assert {entry["flaw"] for entry in known} == {None, "corrupt", "empty", "missing"}
