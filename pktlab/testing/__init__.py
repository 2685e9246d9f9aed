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

from pktlab.testing.damage import Damaged, damaged
from pktlab.testing.strategies import from_schema

__all__ = ["Damaged", "damaged", "from_schema"]
