"""Counting what goes unseen, and how sure the count is."""

from __future__ import annotations

import math
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pktlab.errors import PktlabError
from pktlab.testing.unseen.models import Errors, Model, Truths, unseen
from pktlab.testing.unseen.sources import Source, Words

__all__ = ["CHECKS", "Count", "fully_unseen", "interval", "measure"]

CHUNK = 1 << 18
FULL_CHUNK = 2_000
Z_99 = 2.5758293035489004
"""Standard deviations on either side that hold 99 % of a normal distribution."""


@dataclass(frozen=True)
class Count:
    """How many errors of a model a check did not see.

    formula : share that theory gives over random data, None where it gives none
    """

    model: str
    check: str
    trials: int
    unseen: int
    formula: float | None

    @property
    def rate(self) -> float:
        """Share of the errors that was not seen."""
        return self.unseen / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """What that share is with 99 % confidence."""
        return interval(self.unseen, self.trials)

    def document(self) -> dict[str, Any]:
        """Return the count as JSON has it."""
        return {**asdict(self), "rate": self.rate, "interval_99": list(self.interval)}


def interval(count: int, trials: int, z: float = Z_99) -> tuple[float, float]:
    """Return the Wilson interval of a binomial share.

    Spec: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    >>> low, high = interval(0, 10_000_000)
    >>> low, f"{high:.1e}"
    (0.0, '6.6e-07')
    """
    share, square = count / trials, z * z / trials
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / trials + square / 4 / trials)
    low = 0.0 if count == 0 else max(middle - half, 0.0)
    return low, 1.0 if count == trials else min(middle + half, 1.0)


def measure(
    model: Model, source: Source, *, size: int = 1024, trials: int = 1_000_000, others: int = 100_000, seed: int = 0
) -> list[Count]:
    """Return what the Internet checksum and the others do not see of a kind of error.

    Parameters
    ----------
    size : bytes of a segment, even
    trials : errors under the Internet checksum, by differences
    others : errors under the other checks, which are computed in full
    seed : the same one gives the same errors

    Raises
    ------
    PktlabError : the source is so uniform that hardly any such error changes it
    """
    words = size // 2
    count = _by_differences(model, source, words, trials, seed)
    seen = _in_full(model, source, words, min(others, trials), seed + 1)
    rows = [Count(model.name, "internet", trials, count, model.formula(words))]
    return rows + [Count(model.name, name, min(others, trials), seen[name], _formula(name, model)) for name in CHECKS]


def _errors(model: Model, source: Source, size: int, trials: int, seed: int, chunk: int) -> Any:
    """Yield errors that change something, `trials` in all."""
    random = np.random.default_rng([seed, 2])
    left, drawn = trials, 0
    while left:
        errors = model.draw(random, source, size, chunk)
        drawn += chunk
        errors = _picked(errors, np.flatnonzero(model.is_error(errors))[:left])
        left -= errors.trials
        yield errors
        if drawn > 100 * max(trials, chunk):
            raise PktlabError(f"{source.name}: hardly any {model.name} error changes it: its segments are alike")


def _picked(errors: Errors, which: npt.NDArray[np.intp]) -> Errors:
    b = errors.b[which] if isinstance(errors.b, np.ndarray) else errors.b
    return errors._replace(start=errors.start[which], a=errors.a[which], b=b)


def _by_differences(model: Model, source: Source, size: int, trials: int, seed: int) -> int:
    chunks = _errors(model, source, size, trials, seed, min(CHUNK, max(trials, 1)))
    return sum(int(unseen(model, errors).sum()) for errors in chunks)


# ---- in full


def fully_unseen(before: Words, after: Words) -> Truths:
    """Tell which segments have the same Internet checksum before and after, the whole sums taken."""
    old, new = (words.sum(axis=1, dtype=np.int64) for words in (before, after))
    answer: Truths = (new % 0xFFFF == old % 0xFFFF) & (new != 0)
    return answer


def _fletcher_16(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return Fletcher's checksum modulo 255 of each row (RFC 1146 appendix I)."""
    first = data.sum(axis=1, dtype=np.int64) % 255
    second = (data.astype(np.int64) * np.arange(data.shape[1], 0, -1)).sum(axis=1) % 255
    both: npt.NDArray[np.int64] = second << 8 | first
    return both


def _crc_32(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return np.array([zlib.crc32(row) for row in data], np.int64)


def _adler_32(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return np.array([zlib.adler32(row) for row in data], np.int64)


CHECKS = {"CRC-32": _crc_32, "Fletcher-16": _fletcher_16, "Adler-32": _adler_32}
"""The other checks, each over rows of bytes."""


def _formula(check: str, model: Model) -> float | None:
    if model.name == "bit" or (check == "CRC-32" and model.name in ("2bit", "burst:15", "burst:16")):
        return 0.0
    if model.name in ("random", "splice"):
        return {"CRC-32": 2.0**-32, "Fletcher-16": 1 / 255**2}.get(check)
    return None


def _in_full(model: Model, source: Source, size: int, trials: int, seed: int) -> dict[str, int]:
    counts = dict.fromkeys(CHECKS, 0)
    for errors in _errors(model, source, size, trials, seed, 16 * FULL_CHUNK):
        for at in range(0, errors.trials, FULL_CHUNK):
            part = _picked(errors, np.arange(at, min(at + FULL_CHUNK, errors.trials)))
            before, after = (_bytes(words) for words in (part.segments, model.applied(part)))
            for name, check in CHECKS.items():
                counts[name] += int((check(before) == check(after)).sum())
    return counts


def _bytes(words: Words) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(words.astype(">u2")).view(np.uint8)
