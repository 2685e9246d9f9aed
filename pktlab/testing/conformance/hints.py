"""What the cases that went wrong have in common, for mistakes that nobody has met before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pktlab.testing.conformance.kinds import Case, Kind

__all__ = ["hint"]


def hint(kind: Kind, least: Case, seen: Sequence[tuple[Case, bool]]) -> str:
    """Return which of the cases in `seen` went wrong, as words; empty if they have nothing plain in common.

    Parameters
    ----------
    least : the smallest that does; seen : cases, and whether each was answered rightly

    >>> from pktlab.testing.conformance.kinds import KINDS, case_of
    >>> kind = KINDS["internet"]
    >>> cases = [case_of(kind, (bytes(size),)) for size in range(9)]
    >>> hint(kind, cases[5], [(case, case.size < 5) for case in cases])
    'wrong are 4 of 9 asked again: those of 5 bytes and more'
    """
    wrong = sum(not is_right for _, is_right in seen)
    for text, test in _features(kind, least):
        if all(test(case) != is_right for case, is_right in seen):
            return f"wrong are {wrong:,} of {len(seen):,} asked again: {text}"
    return ""


def _features(kind: Kind, least: Case) -> Iterator[tuple[str, Callable[[Case], bool]]]:
    yield "all", lambda case: True
    yield "those of odd length", lambda case: case.size % 2 == 1
    yield f"those of {least.size:,} bytes and more", lambda case: case.size >= least.size
    yield f"those of {least.size:,} bytes", lambda case: case.size == least.size
    yield f"those whose answer is {least.right:#06x}", lambda case: case.right == least.right
    for index, part in enumerate(kind.parts):
        if part.least == 0 and part.name != "data":
            yield f"those with {part.name}", lambda case, index=index: len(case.parts[index]) > 0  # type: ignore[misc]
