"""What headers say in pieces, and which pieces kernels can print."""

from __future__ import annotations

from typing import Any

import pytest
from construct import Bytes, GreedyBytes, Int8ub, Int16ub, this

from pktlab.columns.phrases import script_of
from pktlab.wire import Header, bits, field
from pktlab.wire.phrases import Given, Hexed, Word
from pktlab.wire.values import IPV4, Flags, flag

SENT = bytes.fromhex("0a00000907a50010ff")


class Marks(Flags):
    """Two bits."""

    odd = flag(1)
    even = flag(2)


def say(*pieces: Any) -> type[Header]:
    """Return a header that says `pieces`."""

    class Talker(Header, layer="talker", says=pieces):
        who: str = field(Bytes(4), as_=IPV4)
        small: int = field(Int8ub)
        _word = field(Int8ub)
        high: int = bits(_word, 0xF0, scale=4)
        marks: Marks = bits(_word, 0x03, as_=Marks)
        is_last: bool = bits(_word, 0x04, as_=bool)
        size: int = field(Int16ub)
        rest: bytes = field(GreedyBytes)

    return Talker


SAID = {
    "text": (("just this",), "just this"),
    "address and numbers": ((this.who, ":", this.small, " ", this.size - 20), "10.0.0.9:7 -4"),
    "scaled bits": ((this.high,), "40"),
    "hex": ((Hexed(this.size, 4),), "0x0010"),
    "word": ((Word(this.marks, lambda marks: "odd" if marks & 1 else "other"),), "odd"),
    "given": ((Given(this.marks & 1, "a", Given(this.marks & 2, "b"), "c"),), "ac"),
    "not given": ((Given(this.marks & 2, "a"), "b"), "b"),
    "given a bool": ((Given(this.is_last, "last"),), "last"),
}
NOT_PRINTED = {
    "a bool": ((this.is_last,), "True"),
    "bytes": ((this.rest,), "b'\\xff'"),
    "hex that is too narrow": ((Hexed(this.size, 2),), "0x10"),
    "hex below 0": ((Hexed(this.small - 9, 4),), "0x-002"),
    "a difference that falls": ((20 - this.small,), "13"),
    "two fields": ((this.small + this.high + this.size,), "63"),
    "a quotient": ((this.size // 3,), "5"),
}


@pytest.mark.parametrize("name", [*SAID, *NOT_PRINTED])
def test_a_header_says_its_pieces(name: str) -> None:
    pieces, text = {**SAID, **NOT_PRINTED}[name]
    kind = say(*pieces)
    assert kind.parse(SENT).summary() == text
    assert kind.schema.names_itself
    assert script_of(kind) == (name in SAID)


def test_a_summary_of_its_own_goes_first() -> None:
    class Loud(Header, layer="loud", says=("quiet",)):
        size: int = field(Int8ub)

        def summary(self) -> str:
            return "LOUD"

    assert Loud(size=1).summary() == "LOUD"
    assert not script_of(Loud)


def test_pieces_name_fields_that_are_there() -> None:
    with pytest.raises(TypeError, match=r"talker: this.smal is no field before it; did you mean this.small\?"):
        say(this.smal)
