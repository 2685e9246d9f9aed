"""What peers compute alike: the examples of BEP 6, 40 and 42."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.torrent import allowed_fast, crc32c, node_id_fits, node_id_prefix, peer_priority


def packed(ip: str) -> bytes:
    return ipaddress.ip_address(ip).packed


@pytest.mark.parametrize("count", [7, 9])
def test_bep_6(count: int) -> None:
    wanted = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]
    assert allowed_fast(packed("80.4.4.200"), b"\xaa" * 20, 1313, count) == wanted[:count]
    assert allowed_fast(packed("80.4.4.9"), b"\xaa" * 20, 1313, count) == wanted[:count]


def test_no_more_pieces_than_there_are() -> None:
    assert sorted(allowed_fast(packed("192.0.2.1"), bytes(20), 4)) == [0, 1, 2, 3]
    assert allowed_fast(packed("192.0.2.1"), bytes(20), 0) == []


@pytest.mark.parametrize(
    ("other", "octets", "wanted"),
    [("98.76.54.32", "624c14007bd50000", 0xEC2D7224), ("123.213.32.234", "7bd5200a7bd520ea", 0x99568189)],
)
def test_bep_40(other: str, octets: str, wanted: int) -> None:
    one, two = (packed("123.213.32.10"), 1), (packed(other), 2)
    assert peer_priority(one, two) == peer_priority(two, one) == crc32c(bytes.fromhex(octets)) == wanted


def test_masks_grow_with_the_network_that_is_shared() -> None:
    for one, other, octets in (
        ("2001:db8::1", "2001:db9::1", "20010db800000000000000000000000120010db9000000000000000000000001"),
        ("2001:db8::ff", "2001:db8:0:ff00::1", "20010db80000000000000000000000552001 0db8 0000 ff00 0000000000000001"),
    ):
        ends = (packed(one), 1), (packed(other), 2)
        assert peer_priority(*ends) == crc32c(bytes.fromhex(octets))
    assert peer_priority((bytes(4), 258), (bytes(4), 1)) == crc32c(b"\0\1\1\2")
    with pytest.raises(ValueError, match="one family"):
        peer_priority((bytes(4), 1), (bytes(16), 1))


BEP_42 = [
    ("124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
    ("21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
    ("65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
    ("84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
    ("43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
]


@pytest.mark.parametrize(("ip", "random", "node_id"), BEP_42)
def test_bep_42(ip: str, random: int, node_id: str) -> None:
    octets = bytes.fromhex(node_id)
    prefix = node_id_prefix(packed(ip), random)
    assert (prefix[:2], prefix[2] >> 3) == (octets[:2], octets[2] >> 3)
    assert octets[19] == random
    assert node_id_fits(octets, packed(ip))
    assert not node_id_fits(bytes([octets[0] ^ 1]) + octets[1:], packed(ip))
    assert not node_id_fits(octets, packed("192.0.2.1"))


@given(st.ip_addresses(v=6), st.integers(0, 255))
def test_ids_of_nodes_of_ipv6_depend_on_the_upper_half(ip: ipaddress.IPv6Address, random: int) -> None:
    node_id = node_id_prefix(ip.packed, random) + bytes(16) + bytes([random])
    assert node_id_fits(node_id, ip.packed[:8] + bytes(8))


def test_crc32c_as_rfc_3720_has_it() -> None:
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
