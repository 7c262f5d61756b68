"""Media files of known content: a tone in white noise, encoded with PyAV, and pictures."""

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

VIDEO_FPS = 5
VIDEO_SIZE = (64, 48)
_AMPLITUDE = 0.4
# Same input, same bytes: no times of day and no random serial numbers in the files.
_REPRODUCIBLE = {"fflags": "+bitexact"}


def tone_in_noise(
    seconds: float, rate: int, frequency_hz: float, snr_db: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """A sine in white Gaussian noise, one channel, 16 bit; the ratio is over the band from 0 to rate/2."""
    time = np.arange(round(seconds * rate)) / rate
    tone = _AMPLITUDE * np.sin(2 * np.pi * frequency_hz * time)
    noise_power = _AMPLITUDE**2 / 2 / 10 ** (snr_db / 10)
    noise = rng.normal(0, np.sqrt(noise_power), len(time))
    return np.clip(np.round((tone + noise) * 32767), -32768, 32767).astype(np.int16)


def write_audio(
    path: Path, samples: NDArray[np.int16], rate: int, codec: str, *, bit_rate: int | None = None
) -> None:
    """Encode one channel of 16-bit samples; the container follows from the file's name."""
    with av.open(str(path), "w", options=_REPRODUCIBLE) as container:
        _encode_audio(container, samples, rate, codec, bit_rate)


def write_video(path: Path, seconds: float, sound: NDArray[np.int16] | None, rate: int) -> None:
    """An mp4 of H.264 pictures at 5 a second, with AAC sound when there are samples."""
    with av.open(str(path), "w", options=_REPRODUCIBLE) as container:
        stream = container.add_stream("libx264", rate=VIDEO_FPS)
        stream.width, stream.height = VIDEO_SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "threads": "1"}
        # All streams have to be known before the first packet.
        audio = None if sound is None else _audio_stream(container, rate, "aac", 160_000)
        for number in range(round(seconds * VIDEO_FPS)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(number), format="rgb24")))
        container.mux(stream.encode(None))
        if audio is not None and sound is not None:
            _mux_audio(container, audio, sound, rate)


def write_image(path: Path, number: int) -> None:
    """A small PNG or JPEG, by the file's name."""
    codec, pix_fmt = {".png": ("png", "rgb24"), ".jpg": ("mjpeg", "yuvj420p")}[path.suffix]
    with av.open(str(path), "w", format="image2", options={**_REPRODUCIBLE, "update": "1"}) as container:
        stream = cast("av.VideoStream", container.add_stream(codec, rate=1))
        stream.width, stream.height = VIDEO_SIZE
        stream.pix_fmt = pix_fmt
        container.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(number), format="rgb24")))
        container.mux(stream.encode(None))


def _picture(number: int) -> NDArray[np.uint8]:
    width, height = VIDEO_SIZE
    across = (np.arange(width) * 4 + number * 16) % 256
    down = np.arange(height) * 5 % 256
    planes = (
        np.tile(across, (height, 1)),
        np.tile(down[:, None], (1, width)),
        np.full((height, width), number * 8 % 256),
    )
    return np.stack(planes, axis=-1).astype(np.uint8)


def _encode_audio(
    container: OutputContainer, samples: NDArray[np.int16], rate: int, codec: str, bit_rate: int | None
) -> None:
    _mux_audio(container, _audio_stream(container, rate, codec, bit_rate), samples, rate)


def _audio_stream(container: OutputContainer, rate: int, codec: str, bit_rate: int | None) -> av.AudioStream:
    added = container.add_stream(codec, rate=rate, layout="mono", options={"flags": "+bitexact"})
    stream = cast("av.AudioStream", added)
    if bit_rate is not None:
        stream.bit_rate = bit_rate
    return stream


def _mux_audio(
    container: OutputContainer, stream: av.AudioStream, samples: NDArray[np.int16], rate: int
) -> None:
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
