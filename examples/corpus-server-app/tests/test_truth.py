"""What the scripts find is what is in the files."""

import pytest
from harness import DURATION, HASH, SNR, VERSION, App


@pytest.mark.parametrize("kind", ["audio", "video", "both"])
def test_durations_are_those_of_the_files(app: App, kind: str) -> None:
    ended = app.run(DURATION, "--media-type", kind)
    assert ended.code == 1
    kinds = {"audio", "video"} if kind == "both" else {kind}
    for uid, record in app.records().items():
        known = app.truth[uid]["duration"]
        if known is None or record.media_type not in kinds:
            assert record.duration is None
        else:
            assert record.duration == pytest.approx(known["value"], abs=known["tolerance"])
    assert set(ended.failed) == {
        uid for uid in app.failing(DURATION) if app.truth[uid]["media_type"] in kinds
    }


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_hashes_are_those_of_the_files(app: App, algorithm: str) -> None:
    ended = app.run(HASH, "--algorithm", algorithm)
    assert ended.code == 1
    for uid, record in app.records().items():
        known = app.truth[uid]
        if uid in app.failing(HASH):
            assert (record.file_hash, record.hash_algorithm, record.file_size) == (None, None, None)
        else:
            expected = (known["hashes"][algorithm], algorithm, known["size"])
            assert (record.file_hash, record.hash_algorithm, record.file_size) == expected
    assert ended.failed == dict.fromkeys(app.failing(HASH), "file is missing")


@pytest.mark.parametrize("kind", ["audio", "video", "both"])
def test_noise_and_tone_are_those_of_the_files(app: App, kind: str) -> None:
    ended = app.run(SNR, "--media-type", kind)
    kinds = {"audio", "video"} if kind == "both" else {kind}
    for uid, record in app.records().items():
        for name in ("snr_db", "dominant_frequency_hz"):
            known = app.truth[uid][name]
            found = getattr(record, name)
            if known is None or record.media_type not in kinds:
                assert found is None
            else:
                assert found == pytest.approx(known["value"], abs=known["tolerance"])
    failing = {uid for uid in app.failing(SNR) if app.truth[uid]["media_type"] in kinds}
    assert set(ended.failed) == failing


def test_a_video_without_sound_is_marked_and_not_looked_at_again(app: App) -> None:
    app.run(SNR)
    silent = [record for record in app.records().values() if record.has_sound is False]
    assert [record.title for record in silent] == ["Silent film (5)", "Silent film (17)"]
    assert app.remaining(SNR) == len(app.failing(SNR))


def test_each_record_gets_one_version_0_of_how_it_came_in(app: App) -> None:
    assert app.run(VERSION).code == 0
    records = app.records()
    versions = app.versions()
    assert sorted(str(version.record_uid) for version in versions) == sorted(records)
    for version in versions:
        record = records[str(version.record_uid)]
        assert version.version == 0
        assert version.snapshot["title"] == record.title
        assert version.snapshot["file_path"] == record.file_path


def test_a_hash_of_another_algorithm_is_kept(sqlite_app: App) -> None:
    sqlite_app.run(HASH, "--algorithm", "md5")
    before = sqlite_app.rows()
    assert sqlite_app.run(HASH, "--algorithm", "sha512").counts["updated"] == 0
    assert sqlite_app.rows() == before
