"""The measurements by themselves, on sounds and files the corpus does not hold."""

from pathlib import Path

import av
import numpy as np
import pytest

from corpus_server_app.media import MediaError, NoSoundError, duration, sound
from corpus_server_app.stopping import Stop
from corpus_server_app.synthesis import tone_in_noise, write_audio, write_image, write_video
from corpus_server_app.tone import NoToneError, ToneMeter


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0, 60.0])
@pytest.mark.parametrize("share", [0.01, 0.1234, 0.4])
def test_tone_and_noise_are_recovered(rate: int, snr_db: float, share: float) -> None:
    rng = np.random.default_rng(5)
    time = np.arange(rate * 8) / rate
    noise = rng.normal(0, np.sqrt(0.5 / 10 ** (snr_db / 10)), len(time))
    samples = (np.sin(2 * np.pi * share * rate * time) + noise).astype(np.float32)
    meter = ToneMeter()
    # In uneven pieces, as decoders give them.
    for piece in np.array_split(samples, 37):
        meter.add(piece)
    tone = meter.tone(rate)
    assert tone.snr_db == pytest.approx(snr_db, abs=0.3)
    assert tone.frequency_hz == pytest.approx(share * rate, abs=rate / 8192 * 0.1)


def test_a_constant_offset_is_neither_tone_nor_noise() -> None:
    samples = tone_in_noise(3, 48_000, 440.0, 20.0, np.random.default_rng(1)) / 32768 + 0.4
    meter = ToneMeter()
    meter.add(samples.astype(np.float32))
    assert meter.tone(48_000).snr_db == pytest.approx(20, abs=0.3)


def test_a_tone_without_noise_stays_finite() -> None:
    meter = ToneMeter()
    meter.add(np.sin(2 * np.pi * 0.1 * np.arange(48_000)).astype(np.float32))
    assert 80 < meter.tone(48_000).snr_db <= 120


def test_a_sound_shorter_than_a_segment_is_measured_whole() -> None:
    meter = ToneMeter()
    meter.add((tone_in_noise(0.1, 48_000, 3000.0, 20.0, np.random.default_rng(1)) / 32768).astype(np.float32))
    tone = meter.tone(48_000)
    assert tone.snr_db == pytest.approx(20, abs=1)
    assert tone.frequency_hz == pytest.approx(3000, abs=2)


@pytest.mark.parametrize(("samples", "reason"), [(0, "too short"), (200, "too short"), (48_000, "silence")])
def test_silence_and_snippets_have_no_tone(samples: int, reason: str) -> None:
    meter = ToneMeter()
    meter.add(np.zeros(samples, dtype=np.float32))
    with pytest.raises(NoToneError, match=reason):
        meter.tone(48_000)


def test_a_recording_without_a_declared_length_is_counted_from_its_packets(tmp_path: Path) -> None:
    samples = tone_in_noise(2.5, 48_000, 440.0, 20.0, np.random.default_rng(1))
    path = tmp_path / "live.webm"
    with av.open(str(path), "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as written:
        assert written.duration is None
    assert duration(path, Stop()) == pytest.approx(2.5, abs=0.05)


def test_a_stereo_recording_is_mixed_down(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left = tone_in_noise(1, 48_000, 440.0, 20.0, np.random.default_rng(1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        both = np.stack((left, left), axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pieces = list(sound(path, Stop()))
    assert {rate for rate, _ in pieces} == {48_000}
    assert sum(len(samples) for _, samples in pieces) == 48_000


def test_what_is_no_sound_is_told_apart_from_what_is_no_media(tmp_path: Path) -> None:
    write_video(tmp_path / "silent.mp4", 1, None, 48_000)
    with pytest.raises(NoSoundError):
        list(sound(tmp_path / "silent.mp4", Stop()))
    write_image(tmp_path / "picture.png", 1)
    with pytest.raises(NoSoundError):
        list(sound(tmp_path / "picture.png", Stop()))
    noise = np.random.default_rng(1).bytes(20_000)
    for name in ("noise.wav", "noise.mp4", "noise.ogg"):
        (tmp_path / name).write_bytes(noise)
        with pytest.raises(MediaError):
            duration(tmp_path / name, Stop())


def test_damage_that_the_decoder_notices_is_an_error_and_not_a_figure(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp3"
    samples = tone_in_noise(3, 44_100, 440.0, 20.0, np.random.default_rng(1))
    write_audio(path, samples, 44_100, "libmp3lame", bit_rate=192_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(content)
    with pytest.raises(MediaError):
        list(sound(path, Stop()))
