"""How do I test mine?

Hypothesis strategies made out of schemas, of pktlab's own protocols and of yours alike: what the project's tests draw
from, users draw from. It imports `pktlab.wire`, Hypothesis and Construct.

    from hypothesis import given
    from pktlab.testing import damaged, from_schema

    @given(from_schema(Note))
    def test_round_trip(note):
        assert Note.parse(note.build()).build() == note.build()

    @given(damaged(Note))
    def test_nothing_else_is_raised(case):
        try:
            Note.parse(case.data)
        except PktlabError:
            pass
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pktlab.testing.conformance.run import assert_checksum_conformant
    from pktlab.testing.damage import Damaged, damaged
    from pktlab.testing.strategies import from_schema

_HOME = {
    "Damaged": "damage",
    "assert_checksum_conformant": "conformance.run",
    "damaged": "damage",
    "from_schema": "strategies",
}
"""Which module a public name lives in: it is imported when the name is first used, for Hypothesis takes its time."""

__all__ = ["Damaged", "assert_checksum_conformant", "damaged", "from_schema"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pktlab.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"pktlab.testing.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
