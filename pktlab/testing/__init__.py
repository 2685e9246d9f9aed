"""How do I test mine?

Hypothesis strategies made out of schemas, of pktlab's own protocols and of yours alike, and of whole packets and
captures; a kit for checksums; and what those cannot see. What the project's tests draw from, users draw from.

    from hypothesis import given
    from pktlab.testing import assert_checksum_conformant, from_schema, packets

    @given(from_schema(Note))
    def test_round_trip(note):
        assert Note.parse(note.build()).build() == note.build()

    @given(packets("ip/udp", fault="swapped"))
    def test_a_swapped_checksum_is_refused(packet):
        assert not my_receiver(packet.data)

    def test_my_checksum():
        assert_checksum_conformant(my_checksum, kind="udp4")

    strategies.py, plan.py, damage.py   values and damaged bytes of one schema
    stacks.py, faults.py, series.py     whole packets, fragments, captures, and what is wrong with them
    conformance/                        on which smallest packet is this checksum wrong?
    unseen/                             which errors does a checksum not see?
    plugin.py                           for pytest: a failing packet as a capture, and explained

It may import everything but `pktlab.labs` and the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pktlab.lazy import lazy_names

if TYPE_CHECKING:
    from pktlab.testing.conformance.run import NotConformant, assert_checksum_conformant
    from pktlab.testing.damage import Damaged, damaged
    from pktlab.testing.faults import FAULTS
    from pktlab.testing.series import CAPTURE_FAULTS, FRAGMENT_FAULTS, captures, fragments
    from pktlab.testing.stacks import (
        extension_chains,
        ip_options,
        packets,
        tcp_options,
        tcp_segments,
        tunnels,
        udp_datagrams,
    )
    from pktlab.testing.strategies import from_schema

_HOME = {
    "conformance.run": ("NotConformant", "assert_checksum_conformant"),
    "damage": ("Damaged", "damaged"),
    "faults": ("FAULTS",),
    "series": ("CAPTURE_FAULTS", "FRAGMENT_FAULTS", "captures", "fragments"),
    "stacks": (
        "extension_chains", "ip_options", "packets", "tcp_options", "tcp_segments", "tunnels", "udp_datagrams",
    ),
    "strategies": ("from_schema",),
}  # fmt: skip
"""Which module a public name lives in: it is imported when the name is first used, for Hypothesis takes its time."""

__all__ = [
    "CAPTURE_FAULTS", "FAULTS", "FRAGMENT_FAULTS", "Damaged", "NotConformant", "assert_checksum_conformant", "captures",
    "damaged", "extension_chains", "fragments", "from_schema", "ip_options", "packets", "tcp_options", "tcp_segments",
    "tunnels", "udp_datagrams",
]  # fmt: skip

__getattr__, __dir__ = lazy_names(__name__, _HOME)
