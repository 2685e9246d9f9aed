"""Known mistakes of whole implementations, and which of them explains what came back.

A mistake is a function of a case that gives the wrong answer. A *likely* mistake gives exactly the answers of the
target on every case that was asked; where none does, none is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pktlab.testing.conformance.kinds import ICMP, ICMPV6, TCP, UDP, Case, Kind, Made
from pktlab.testing.conformance.wrong_sums import WrongSum, wrong_sums
from pktlab.wire.checksum import checksum, fold, ones_sum, swap

__all__ = ["EQUIVALENT", "Mistake", "blank", "coverings", "field", "likely", "mistakes_of"]

EQUIVALENT = {
    "a carry out of 32 bits that is lost in a sum of 16-bit words": "131,076 bytes of 0xff are needed",
    "a sum of 16-bit words in a signed number of 32 bits": "it stays below 2**31 for up to 65,536 bytes",
    "address words of the pseudo-header in another order": "addition does not mind the order",
    "a pseudo-header for IPv6 with a length of 16 bits, zeros in front": "the length has no more; a jumbogram has",
    "the pseudo-header for IPv6 with its zeros left out": "zero words add nothing",
    "two folds in place of folding until it is done": "a sum of 32 bits is done after two",
    "a verifier that adds carries back once": "a good sum is a multiple of 65535, and one fold of it is done",
    "summing in the other byte order, and swapping at the end": "the sum does not mind (RFC 1071 section 2(B))",
}  # fmt: skip
"""What looks like a fault and is none: no legal packet shows it."""


class Mistake(NamedTuple):
    """`text` says what is wrong, as the end of a sentence; `answer` what comes of it."""

    name: str
    text: str
    answer: Callable[[Case], int]


Covering = Callable[[Made], bytes]


def _covered(made: Made) -> bytes:
    return made.data[made.start : made.end]


def _v4(addresses: bytes, proto: int, length: int) -> bytes:
    return addresses + proto.to_bytes(2, "big") + (length & 0xFFFF).to_bytes(2, "big")


def _pseudo(made: Made, proto: int, length: int) -> bytes:
    """Return a pseudo-header with other numbers in it; in the order of IPv4, which the sum does not mind."""
    return _v4(made.addresses, proto, length)


def _with_ttl(made: Made) -> bytes:
    ttl = made.data[made.head + (8 if len(made.addresses) == 8 else 7)]
    return _pseudo(made, ttl << 8 | made.proto, _length(made)) + _covered(made)


def _length(made: Made) -> int:
    return made.end - made.start


def _headers(made: Made) -> int:
    """Return the bytes of the transport's header."""
    if made.proto == TCP:
        return (made.data[made.start + 12] >> 4) * 4
    return 8


def _with_proto(proto: int) -> Covering:
    return lambda made: _pseudo(made, proto, _length(made)) + _covered(made)


def _pseudo_mistakes(proto: int) -> Iterator[tuple[str, str, Covering]]:
    """Yield name, text and the bytes that are summed, for what has a pseudo-header."""
    yield "no-pseudo", "the pseudo-header is left out", _covered
    yield "no-proto", "the pseudo-header lacks the protocol", lambda m: _pseudo(m, 0, _length(m)) + _covered(m)
    yield "no-length", "the pseudo-header lacks the length", lambda m: _pseudo(m, m.proto, 0) + _covered(m)
    for other in (one for one in (TCP, UDP, ICMP, ICMPV6) if one != proto):
        yield "other-proto", f"the pseudo-header has protocol {other} instead of {proto}", _with_proto(other)
    yield (
        "total-length", "the pseudo-header has the length of the whole IP packet",
        lambda m: _pseudo(m, m.proto, m.end - m.head) + _covered(m),
    )  # fmt: skip
    yield (
        "data-length", "the pseudo-header has the length of the data, without the transport's header",
        lambda m: _pseudo(m, m.proto, _length(m) - _headers(m)) + _covered(m),
    )  # fmt: skip
    yield (
        "with-pseudo-length", "the pseudo-header's own length is added to that in it",
        lambda m: _pseudo(m, m.proto, _length(m) + (12 if len(m.addresses) == 8 else 40)) + _covered(m),
    )  # fmt: skip
    yield (
        "header-length", "the pseudo-header has the length of the transport's header alone",
        lambda m: _pseudo(m, m.proto, _headers(m)) + _covered(m),
    )  # fmt: skip
    yield (
        "even-length", "the length in the pseudo-header is rounded up to an even one",
        lambda m: _pseudo(m, m.proto, _length(m) + _length(m) % 2) + _covered(m),
    )  # fmt: skip
    yield (
        "length-ihl-20", "the length in the pseudo-header is taken for an IP header of 20 bytes",
        lambda m: _pseudo(m, m.proto, m.end - m.head - 20) + _covered(m),
    )  # fmt: skip
    yield (
        "length-8", "the length in the pseudo-header is kept in 8 bits",
        lambda m: _pseudo(m, m.proto, _length(m) & 0xFF) + _covered(m),
    )  # fmt: skip
    yield (
        "no-source", "the pseudo-header lacks the source address",
        lambda m: m.pseudo[len(m.addresses) // 2 :] + _covered(m),
    )  # fmt: skip
    yield (
        "no-destination", "the pseudo-header lacks the destination address",
        lambda m: m.pseudo[: len(m.addresses) // 2] + m.pseudo[len(m.addresses) :] + _covered(m),
    )  # fmt: skip
    yield (
        "swapped-length", "the length in the pseudo-header is in the wrong byte order",
        lambda m: _pseudo(m, m.proto, swap(_length(m))) + _covered(m),
    )  # fmt: skip
    yield (
        "proto-high", "the protocol stands in the wrong half of its word",
        lambda m: m.addresses + bytes((m.proto, 0)) + (_length(m) & 0xFFFF).to_bytes(2, "big") + _covered(m),
    )  # fmt: skip
    yield "with-ttl", "the time to live is summed in front of the protocol", _with_ttl
    yield (
        "addresses-v4", "the addresses are taken from where IPv4 has them",
        lambda m: _v4(m.data[m.head + 12 : m.head + 20], m.proto, _length(m)) + _covered(m),
    )  # fmt: skip


def _covering_mistakes(made_of: Kind) -> Iterator[tuple[str, str, Covering]]:
    """Yield name, text and the bytes that are summed, for what is covered."""
    yield "header-only", "the data are not summed", lambda m: m.pseudo + _covered(m)[: _headers(m)]
    yield "data-only", "the transport's header is not summed", lambda m: m.pseudo + _covered(m)[_headers(m) :]
    yield (
        "no-urgent", "the TCP header is summed up to its checksum only",
        lambda m: m.pseudo + _covered(m)[:16] + _covered(m)[20:],
    )  # fmt: skip
    yield (
        "header-20", "only 20 bytes of the TCP header are summed, its options are not",
        lambda m: m.pseudo + _covered(m)[:20] + _covered(m)[_headers(m) :],
    )  # fmt: skip
    yield "whole-packet", "the IP header is summed too", lambda m: m.data[m.head : m.end]
    yield "ihl-20", "the IP header is taken to have 20 bytes, its options are summed", _fixed_ihl
    yield "ihl-20", "the data are taken to start behind 20 bytes of IP header, with the right length", _shifted
    yield "trailer", "the trailer behind the IP packet is summed", lambda m: m.pseudo + m.data[m.start :]
    yield (
        "trailer", "the trailer behind the IP packet is summed, and counted",
        lambda m: _pseudo(m, m.proto, len(m.data) - m.start) + m.data[m.start :],
    )  # fmt: skip
    if not made_of.name.startswith("icmp"):
        return
    yield (
        "icmp-pseudo", "a pseudo-header is summed; ICMP for IPv4 has none",
        lambda m: _v4(m.data[12:20], ICMP, _length(m)) + _covered(m),
    )  # fmt: skip


def _fixed_ihl(made: Made) -> bytes:
    start = made.head + (20 if len(made.addresses) != 32 else 40)
    pseudo = _pseudo(made, made.proto, made.end - start) if made.addresses else b""
    return pseudo + made.data[start : made.end]


def _shifted(made: Made) -> bytes:
    start = made.head + (20 if len(made.addresses) != 32 else 40)
    return made.pseudo + made.data[start : start + made.end - made.start]


def coverings(kind: Kind) -> Iterator[tuple[str, str, Covering]]:
    """Yield name, text and the bytes that are summed by mistake."""
    if kind.name == "ipv4":
        yield "ihl-20", "options are left out: only 20 bytes are summed", lambda m: m.data[:20]
    if kind.name in ("internet", "ipv4"):
        return
    case = kind.make(tuple(part.simple for part in kind.parts))
    if case.addresses:
        yield from _pseudo_mistakes(case.proto)
    yield from _covering_mistakes(kind)


def mistakes_of(kind: Kind) -> Iterator[Mistake]:
    """Yield the known mistakes of a kind, the more usual ones first.

    >>> from pktlab.testing.conformance.kinds import KINDS
    >>> [one.name for one in mistakes_of(KINDS["update"])][0]
    'rfc-1141'
    """
    if kind.name == "update":
        yield from _update_mistakes()
        return
    sums = list(wrong_sums())
    right = WrongSum("", "", checksum)
    base = kind.base
    if kind.is_verify:
        yield from _verify_mistakes()
    elif base.name in ("udp4", "udp6", "eth"):
        yield Mistake("no-ffff", "a checksum of 0 is not sent as 0xffff", lambda case: checksum(case.made.summed))
    for name, text, covering in coverings(base):
        yield from _mistakes(kind, name, text, covering, right)
    for one in sums:
        yield from _mistakes(kind, one.name, one.text, _summed, one)


def _mistakes(kind: Kind, name: str, text: str, covering: Covering, wrong: WrongSum) -> Iterator[Mistake]:
    if not kind.is_verify:
        yield Mistake(name, text, lambda case: wrong.summing(covering(case.made)) or case.made.zero_as)
        return
    yield Mistake(name, text, lambda case: int(wrong.summing(covering(case.made)) == 0))
    yield Mistake(name, text, lambda case: int(_computed(case, covering, wrong) == field(case.made)))


def field(made: Made) -> int:
    """Return what the checksum field holds."""
    return int.from_bytes(made.data[made.at : made.at + 2], "big")


def blank(made: Made) -> Made:
    """Return the packet with zero in the checksum field."""
    return made._replace(data=made.data[: made.at] + b"\0\0" + made.data[made.at + 2 :])


def _computed(case: Case, covering: Covering, wrong: WrongSum) -> int:
    made = blank(case.made)
    return wrong.summing(covering(made)) or made.zero_as


def _verify_mistakes() -> Iterator[Mistake]:
    yield Mistake(
        "compared", "the checksum is computed anew and compared, so that 0xffff for 0x0000 is refused",
        lambda case: int(blank(case.made).checksum == field(case.made)),
    )  # fmt: skip
    yield Mistake(
        "not-zeroed", "the field is not zeroed before the checksum is computed anew",
        lambda case: int((checksum(case.made.summed) or case.made.zero_as) == field(case.made)),
    )  # fmt: skip
    yield Mistake(
        "zeros-accepted", "data that are all zero are accepted",
        lambda case: int(ones_sum(case.made.summed) in (0, 0xFFFF)),
    )  # fmt: skip
    yield Mistake("yes", "everything is accepted", lambda case: 1)
    yield Mistake("no", "nothing is accepted", lambda case: 0)
    yield Mistake("reversed", "yes and no are exchanged", lambda case: 1 - case.right)
    yield Mistake(
        "zero-accepted", "a checksum of 0 is accepted", lambda case: int(field(case.made) == 0 or case.right)
    )  # fmt: skip
    yield Mistake(
        "ffff-refused", "a checksum of 0xffff is refused", lambda case: int(field(case.made) != 0xFFFF and case.right)
    )  # fmt: skip
    yield Mistake(
        "ffff-accepted", "a checksum of 0xffff is accepted", lambda case: int(field(case.made) == 0xFFFF or case.right)
    )  # fmt: skip
    yield Mistake(
        "partial-accepted", "the sum of the pseudo-header alone is accepted",
        lambda case: int(field(case.made) == ones_sum(case.made.pseudo) or case.right),
    )  # fmt: skip
    yield Mistake(
        "swapped-accepted", "a checksum in the wrong byte order is accepted",
        lambda case: int(swap(field(case.made)) == blank(case.made).checksum or case.right),
    )  # fmt: skip
    for proto, name in ((UDP, "UDP"), (TCP, "TCP")):
        yield Mistake(
            f"only-{name.lower()}", f"{name} alone is looked at, everything else is accepted",
            lambda case, proto=proto: int(case.made.proto != proto or case.right),  # type: ignore[misc]
        )  # fmt: skip
    for bits in (0xFF, 0xFF00):
        yield Mistake(
            "half", "one byte of the sum alone is looked at",
            lambda case, bits=bits: int(ones_sum(case.made.summed) & bits == bits),  # type: ignore[misc]
        )  # fmt: skip


def _update_mistakes() -> Iterator[Mistake]:
    def old_eqn(total: int, old: bytes, new: bytes) -> int:
        return fold(total + ones_sum(old) + (fold(ones_sum(new)) ^ 0xFFFF))

    def plain(total: int, old: bytes, new: bytes, *, folds: int = 9, low: bool = False) -> int:
        value = (total ^ 0xFFFF) + sum(word ^ 0xFFFF for word in _words(old, low)) + sum(_words(new, low))
        for _ in range(folds):
            value = (value & 0xFFFF) + (value >> 16)
        return value & 0xFFFF ^ 0xFFFF

    table: list[tuple[str, str, Callable[[int, bytes, bytes], int]]] = [
        ("rfc-1141", "it is RFC 1141's: 0xffff comes out for 0x0000 (RFC 1624 section 3)", old_eqn),
        ("odd-low", "an odd last byte is taken as the low half of its word", lambda *g: plain(*g, low=True)),
        ("odd-dropped", "an odd last byte is left out",
         lambda t, a, b: plain(t, a[: len(a) & ~1], b[: len(b) & ~1])),
        ("no-carry", "carries out of the 16 bits are dropped", lambda *g: plain(*g, folds=0)),
        ("one-fold", "carries are added back once, and what that carries is dropped", lambda *g: plain(*g, folds=1)),
        ("exchanged", "old and new are exchanged", lambda t, a, b: plain(t, b, a)),
        ("not-removed", "the old bytes are not taken out", lambda t, a, b: plain(t, b"", b)),
        ("not-added", "the new bytes are not put in", lambda t, a, b: plain(t, a, b"")),
        ("no-complement", "the old checksum is taken for the sum", lambda t, a, b: plain(t ^ 0xFFFF, a, b) ^ 0xFFFF),
        ("not-complemented", "the result is not complemented", lambda t, a, b: plain(t, a, b) ^ 0xFFFF),
        ("first-word", "only the first word is updated", lambda t, a, b: plain(t, a[:2], b[:2])),
        ("ffff-rule", "0 is answered as 0xffff, a rule of UDP alone", lambda *g: plain(*g) or 0xFFFF),
        ("swapped", "the two bytes of the result are exchanged", lambda *g: swap(plain(*g))),
        ("unchanged", "the old checksum comes back", lambda t, a, b: t),
        ("no-carry", "carries out of the 16 bits are dropped",
         lambda t, a, b: plain(t, *_as_words(a, b), folds=0)),
        ("one-fold", "carries are added back once, and what that carries is dropped",
         lambda t, a, b: plain(t, *_as_words(a, b), folds=1)),
        ("no-borrow", "old and new are subtracted, without the borrow",
         lambda t, a, b: t + sum(_words(a, False)) - sum(_words(b, False)) & 0xFFFF),
        ("first-words", "only the first two words are updated", lambda t, a, b: plain(t, a[:4], b[:4])),
        ("length-8", "the length is kept in 8 bits", lambda t, a, b: plain(t, a[: len(a) & 255], b[: len(b) & 255])),
        ("odd-front", "bytes of odd length are padded in front",
         lambda t, a, b: plain(t, b"\0" * (len(a) % 2) + a, b"\0" * (len(b) % 2) + b)),
        ("zero-kept", "a checksum of 0 is left alone, a rule of UDP over IPv4 alone",
         lambda t, a, b: plain(t, a, b) if t else 0),
    ]  # fmt: skip
    for name, text, function in table:
        yield Mistake(name, text, lambda case, function=function: function(*case.given))  # type: ignore[misc]


def _as_words(*pieces: bytes) -> Iterator[bytes]:
    return (ones_sum(piece).to_bytes(2, "big") for piece in pieces)


def _words(data: bytes, low: bool) -> list[int]:
    padded = data if len(data) % 2 == 0 else data[:-1] + b"\0" + data[-1:] if low else data + b"\0"
    return [int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2)]


def _summed(made: Made) -> bytes:
    return made.summed


def likely(kind: Kind, seen: Sequence[tuple[Case, int]]) -> Mistake | None:
    """Return the first known mistake that gives every answer in `seen`, right and wrong ones; None if none does."""
    wrong_first = sorted(seen, key=lambda one: (one[0].right == one[1], one[0].size))
    for mistake in mistakes_of(kind):
        if all(mistake.answer(case) == value for case, value in wrong_first):
            return mistake
    return None
