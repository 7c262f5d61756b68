"""How far a recording's strongest tone stands above everything else in it.

The method: Welch's averaged power spectrum (segments of 8192 samples, half overlapping, 4-term
Blackman-Harris window). The strongest bin and its neighbours within the window's main lobe are the tone;
all other bins are noise, and the noise that lies under the tone is estimated from their mean and taken off.
The signal-to-noise ratio is the power of the one over the power of the other. The frequency comes from a
parabola through the logarithms of the three highest bins.

What it does not do: harmonics, a second tone, speech and music count as noise, so for such recordings the
figure says how tonal they are rather than how clean. Tones below about ten bins' width (60 Hz at 48 kHz)
are not found. A lossy codec changes the noise, and the figure is that of the decoded sound.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEGMENT = 8192
_SHORTEST = 256
# The main lobe of the 4-term Blackman-Harris window is 4 bins to each side; one more for a tone between bins.
_LOBE = 5
_WINDOW = (0.35875, -0.48829, 0.14128, -0.01168)
# Beyond what 16-bit sound can hold; keeps a computed, noiseless tone finite.
_CEILING_DB = 120.0


class NoToneError(Exception):
    """There is nothing to measure: the sound is too short or silent."""


@dataclass(frozen=True)
class Tone:
    """The strongest tone of a recording."""

    snr_db: float
    frequency_hz: float


class ToneMeter:
    """Collects samples piece by piece in constant memory."""

    def __init__(self) -> None:
        """Starts empty."""
        self._waiting: NDArray[np.float64] = np.empty(0)
        self._power: NDArray[np.float64] = np.zeros(SEGMENT // 2 + 1)
        self._window = _window(SEGMENT)
        self._segments = 0

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take in samples of one channel, in order."""
        waiting = np.concatenate((self._waiting, samples.astype(np.float64)))
        start = 0
        while len(waiting) - start >= SEGMENT:
            self._power += _periodogram(waiting[start : start + SEGMENT], self._window)
            self._segments += 1
            start += SEGMENT // 2
        self._waiting = waiting[start:]

    def tone(self, rate: int) -> Tone:
        """What was found, ``rate`` being the samples a second.

        Raises:
            NoToneError: fewer than 256 samples, or silence.
        """
        if self._segments:
            return _strongest(self._power / self._segments, rate / SEGMENT)
        if (length := len(self._waiting)) < _SHORTEST:
            raise NoToneError(f"too short to measure: {length} samples")
        return _strongest(_periodogram(self._waiting, _window(length)), rate / length)


def _window(length: int) -> NDArray[np.float64]:
    phase = 2 * np.pi * np.arange(length) / length
    window = np.zeros(length)
    for order, factor in enumerate(_WINDOW):
        window += factor * np.cos(order * phase)
    return window


def _periodogram(samples: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(np.fft.rfft(samples * window)) ** 2


def _strongest(power: NDArray[np.float64], bin_hz: float) -> Tone:
    # Leave out a constant offset, its lobe, and the last bin, which has no mirror image.
    first, last = _LOBE, len(power) - 1
    peak = first + int(np.argmax(power[first:last]))
    if power[peak] <= 0:
        raise NoToneError("silence, nothing to measure")
    lobe = slice(max(first, peak - _LOBE), min(last, peak + _LOBE + 1))
    in_lobe = power[lobe]
    noise_bins = (last - first) - len(in_lobe)
    density = (power[first:last].sum() - in_lobe.sum()) / noise_bins
    tone = max(in_lobe.sum() - density * len(in_lobe), np.finfo(float).tiny)
    noise = density * (last - first)
    snr_db = _CEILING_DB if noise <= 0 else min(float(10 * np.log10(tone / noise)), _CEILING_DB)
    return Tone(snr_db, (peak + _vertex(power[peak - 1 : peak + 2])) * bin_hz)


def _vertex(three: NDArray[np.float64]) -> float:
    left, middle, right = np.log(np.maximum(three, np.finfo(float).tiny))
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
