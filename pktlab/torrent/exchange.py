"""Does a connection begin with a key exchange? Message stream encryption (MSE) as far as it can be told from outside.

Each side first sends a public key of 96 bytes and up to 512 bytes of padding, and waits for the other's; all of it is
as if by chance. What follows is encrypted, even if plaintext is agreed on for the rest. There is no BEP; the usual text
is Azureus's "Message Stream Encryption". Without a secret of one of the ends nothing more can be known.
"""

from __future__ import annotations

from pktlab.flows.streams import Buffer

__all__ = ["KEY_LEN", "MAX_PADDING", "Flights"]

KEY_LEN, MAX_PADDING = 96, 512
_TLS = b"\x16\x03"
"""How TLS begins: most of its first message is as if by chance, too."""
LEAST_VALUES, MOST_VALUES = 66, 94
"""Different values among 96 bytes: 80 on average where chance has its way, with a deviation of 3.3."""
BITS, MOST_OFF = KEY_LEN * 4, 62
"""How many bits are set on average, and how far off that may be: four and a half deviations of 13.9."""


class Flights:
    r"""What both sides send before they have heard each other: way 0, then way 1.

    >>> flights = Flights()
    >>> [flights.add(way, b"abc" * 40) for way in (0, 0, 1, 0)], flights.lengths, flights.look_encrypted
    ([False, False, False, True], (240, 120), False)
    """

    def __init__(self) -> None:
        self._lengths = [0, 0]
        self._heads = [b"", b""]

    def add(self, way: int, data: Buffer) -> bool:
        """Take the next bytes; return whether both flights are over."""
        if way == 0 and self._lengths[1]:
            return True
        room = KEY_LEN - len(self._heads[way])
        self._heads[way] += bytes(data[:room])
        self._lengths[way] += len(data)
        return False

    @property
    def lengths(self) -> tuple[int, int]:
        """How many bytes they have."""
        return self._lengths[0], self._lengths[1]

    @property
    def look_encrypted(self) -> bool:
        """Whether both are as long as a key with padding, and as if by chance."""
        return all(KEY_LEN <= length <= KEY_LEN + MAX_PADDING for length in self._lengths) and all(
            map(_is_random, self._heads)
        )


def _is_random(head: bytes) -> bool:
    """Tell whether 96 bytes could be a public key."""
    bits = int.from_bytes(head, "big").bit_count()
    return LEAST_VALUES <= len(set(head)) <= MOST_VALUES and abs(bits - BITS) <= MOST_OFF and not head.startswith(_TLS)
