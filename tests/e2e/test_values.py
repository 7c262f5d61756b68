"""The four backfills fill in what is in the files, and only that."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from e2e.conftest import Backfill
    from e2e.corpus import Corpus

COMMANDS = {
    "duration": "media_duration",
    "file-hash": "file_hashing",
    "snr": "snr_frequency",
    "version-0": "backfill_version_0",
}


def failed(stderr: str) -> dict[str, str]:
    """Return the reasons of the failures that were reported, by uid."""
    return dict(re.findall(r"^FAILED ([0-9a-f-]{36}): (.+)$", stderr, re.MULTILINE))


def check_durations(corpus: Corpus) -> None:
    for uid, record in corpus.records().items():
        known = corpus.truth[uid]["duration"]
        if known is None:
            assert record["duration"] is None
        else:
            assert record["duration"] == pytest.approx(known["value"], abs=known["tolerance"])


def check_hashes(corpus: Corpus) -> None:
    for uid, record in corpus.records().items():
        known = corpus.truth[uid]
        found = (record["file_hash"], record["hash_algorithm"], record["file_size"])
        if "file_hashing" in known["fails"]:
            assert found == (None, None, None)
        else:
            assert found == (known["hashes"]["sha256"], "sha256", known["size"])


def check_noise_and_tone(corpus: Corpus) -> None:
    for uid, record in corpus.records().items():
        for name in ("snr_db", "dominant_frequency_hz"):
            known = corpus.truth[uid][name]
            if known is None:
                assert record[name] is None
            else:
                assert record[name] == pytest.approx(known["value"], abs=known["tolerance"])


def check_versions(corpus: Corpus) -> None:
    versions = corpus.versions()
    titles = sorted(record["title"] for record in corpus.records().values())
    snapshots = [v["snapshot"] for v in versions]
    loaded = [json.loads(s) if isinstance(s, str) else s for s in snapshots]
    assert [v["version"] for v in versions] == [0] * len(titles)
    assert sorted(s["title"] for s in loaded) == titles


CHECKS = {
    "duration": check_durations,
    "file-hash": check_hashes,
    "snr": check_noise_and_tone,
    "version-0": check_versions,
}


def test_all_four_find_the_truth_and_a_second_time_nothing(corpus: Corpus, backfill: Backfill) -> None:
    before = corpus.dump()
    outcome = backfill(corpus, "duration", "--dry-run")
    assert (outcome.code, outcome.stdout.splitlines()[-1]) == (0, "would-update=9")
    assert corpus.dump() == before

    for command, script in COMMANDS.items():
        outcome = backfill(corpus, command)
        failing = corpus.failing(script)
        assert outcome.code == (1 if failing else 0), outcome.stderr
        assert set(failed(outcome.stderr)) == failing
        CHECKS[command](corpus)
    full = corpus.dump()

    again = backfill(corpus, "version-0")
    assert (again.code, again.stdout.splitlines()[-1]) == (0, "updated=0 skipped=0 failed=0")
    again = backfill(corpus, "duration")
    assert again.code == 1
    assert "updated=0 skipped=0 failed=3" in again.stdout
    reasons = failed(again.stderr)
    assert {known["flaw"]: reasons[uid] for uid, known in corpus.truth.items() if known["flaw"]} == {
        "corrupt": "cannot be read: Invalid data found when processing input",
        "empty": "file is empty",
        "missing": "file is missing",
    }
    assert corpus.dump() == full


@pytest.mark.parametrize("command", ["file-hash", "snr", "version-0"])
def test_a_dry_run_writes_nothing(sqlite_corpus: Corpus, backfill: Backfill, command: str) -> None:
    before = sqlite_corpus.dump()
    outcome = backfill(sqlite_corpus, command, "--dry-run")
    assert outcome.code == 0
    assert re.search(r"^would-update=[1-9]\d*$", outcome.stdout, re.MULTILINE)
    assert sqlite_corpus.dump() == before


def test_a_limit_is_kept(sqlite_corpus: Corpus, backfill: Backfill) -> None:
    outcome = backfill(sqlite_corpus, "file-hash", "--limit", "4", "--algorithm", "md5")
    assert outcome.code == 0
    hashes = {uid: row["file_hash"] for uid, row in sqlite_corpus.records().items() if row["file_hash"]}
    assert len(hashes) == 4
    assert all(sqlite_corpus.truth[uid]["hashes"]["md5"] == value for uid, value in hashes.items())


@pytest.mark.parametrize("module", ["corpus_client_cli", "corpus_client_click"])
def test_a_host_finds_the_server_beside_itself_and_fills_in_the_truth(
    sqlite_corpus: Corpus, host: Callable[..., CompletedProcess[str]], module: str
) -> None:
    done = host(module, "backfill", "duration", url=sqlite_corpus.url)
    assert done.returncode == 1
    assert set(failed(done.stderr)) == sqlite_corpus.failing("media_duration")
    check_durations(sqlite_corpus)
    stats = host(module, "stats", url=sqlite_corpus.url)
    assert ["duration", "6", "6"] in [line.split() for line in stats.stdout.splitlines()]
