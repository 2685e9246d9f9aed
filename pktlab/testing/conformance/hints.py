"""What the cases that went wrong have in common, for mistakes that nobody has met before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pktlab.testing.conformance.kinds import Case, Kind

__all__ = ["hint"]

ENOUGH = 30
"""Cases that have not what all wrong ones share: fewer may be chance."""


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
    wrong = [case for case, is_right in seen if not is_right]
    said = f"wrong are {len(wrong):,} of {len(seen):,} asked again: "
    features = list(_features(kind, least))
    for text, test in features:
        if all(test(case) != is_right for case, is_right in seen):
            return said + text
    for text, test in features:
        if all(map(test, wrong)) and sum(not test(case) for case, _ in seen) >= ENOUGH:
            return f"{said}some of {text}"
    return ""


def _features(kind: Kind, least: Case) -> Iterator[tuple[str, Callable[[Case], bool]]]:
    yield "all", lambda case: True
    yield "those of odd length", lambda case: case.size % 2 == 1
    yield f"those of {least.size:,} bytes and more", lambda case: case.size >= least.size
    yield f"those of {least.size:,} bytes", lambda case: case.size == least.size
    answer = ("no", "yes")[least.right] if kind.is_verify else f"{least.right:#06x}"
    yield f"those whose answer is {answer}", lambda case: case.right == least.right
    for index, part in enumerate(kind.parts):
        if part.least == 0 and part.name != "data":
            yield f"those with {part.name}", lambda case, index=index: len(case.parts[index]) > 0  # type: ignore[misc]
