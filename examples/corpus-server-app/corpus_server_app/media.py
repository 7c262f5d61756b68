"""Reading media files with PyAV, from anywhere between whole and ruined."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from numpy.typing import NDArray

from corpus_server_app.database import APP_FOLDER
from corpus_server_app.models import Record
from corpus_server_app.stopping import Stop


class MediaError(Exception):
    """The file cannot give what was asked of it; the text is for the operator, without the path."""


class NoSoundError(MediaError):
    """The file is whole but holds no sound track."""


def file_of(record: Record) -> Path:
    """The record's file.

    Raises:
        MediaError: there is no file.
    """
    path = APP_FOLDER / record.file_path
    if not path.is_file():
        raise MediaError("file is missing")
    return path


def duration(path: Path, stop: Stop) -> float:
    """Length in seconds, as the container declares it; counted from its packets when it declares none.

    Raises:
        MediaError: not media, or no length to be found.
    """
    with _opened(path) as container:
        if container.duration is not None and container.duration > 0:
            return float(container.duration / av.time_base)
        end = 0.0
        for packet in container.demux():
            stop.check()
            if packet.pts is not None and packet.time_base is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if end <= 0:
            raise MediaError("has no duration")
        return end


def sound(path: Path, stop: Stop) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Decode the first sound track, mixed down to one channel at its own rate.

    FLAC and Opus find their place again after damage without a word; the rest of such a file is given.

    Yields:
        Sample rate in Hz, and a one-dimensional piece of samples, full scale being -1 to 1.

    Raises:
        NoSoundError: no sound track.
        MediaError: not media, or damaged so that the decoder notices.
    """
    with _opened(path) as container:
        if not container.streams.audio:
            raise NoSoundError("no sound track")
        resampler = AudioResampler(format="flt", layout="mono")
        for frame in container.decode(container.streams.audio[0]):
            stop.check()
            for mono in resampler.resample(frame):
                yield mono.sample_rate, mono.to_ndarray()[0]


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        if path.stat().st_size == 0:
            raise MediaError("file is empty")
        # Wrongly encoded tags are no reason to refuse a file.
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"cannot be read: {error.strerror or type(error).__name__}") from error
