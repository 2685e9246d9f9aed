"""Magnet links, both ways, and held against libtorrent's."""

from __future__ import annotations

import base64
import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import Malformed
from pktlab.torrent import Magnet, parse_magnet

V1, V2 = bytes(range(20)), bytes(range(32))
HEX, BASE32 = V1.hex(), base64.b32encode(V1).decode()
TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
ADDRESS = st.from_regex(r"[a-z]{1,5}:[1-9][0-9]{0,3}", fullmatch=True)


@pytest.mark.parametrize("digits", [HEX, HEX.upper(), BASE32, BASE32.lower()])
def test_version_1(digits: str) -> None:
    assert parse_magnet(f"magnet:?xt=urn:btih:{digits}") == Magnet(V1)


def test_version_2_and_both() -> None:
    link = f"magnet:?xt=urn:btmh:1220{V2.hex()}"
    assert parse_magnet(link) == Magnet(None, V2)
    assert parse_magnet(f"{link}&xt=urn:btih:{HEX}&xt=urn:sha1:XYZ") == Magnet(V1, V2)


def test_all_that_a_link_may_say() -> None:
    link = (
        f"MAGNET:?xt.1=urn:btih:{HEX}&dn=a+b%20c%26d&tr.1=http%3A%2F%2Ft%2Fa&tr=udp://t:1&ws=http://w&x.pe=10.0.0.1:6881"
        "&so=0,2,4-6,9-3,x&unknown=1&nothing"
    )
    assert parse_magnet(link) == Magnet(
        V1, None, "a+b c&d", ("http://t/a", "udp://t:1"), ("http://w",), ("10.0.0.1:6881",), ((0, 0), (2, 2), (4, 6))
    )


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("http://example.com", "does not start"), ("", "does not start"), ("magnet:?dn=a", "names no torrent"),
        ("magnet:?xt=urn:sha1:abc", "names no torrent"), (f"magnet:?xt=urn:btih:{HEX[1:]}", "is no hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}g", "is no hash"), (f"magnet:?xt=urn:btmh:{V2.hex()}", "is no hash"),
        (f"magnet:?xt=urn:btih:{'1' * 32}", "is no hash"), (f"magnet:?xt=urn:btmh:1220{HEX}", "is no hash"),
        (f"magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{'0' * 40}", "is a second torrent"),
        ("magnet:?xt=urn:btih:" + "a" * 70_000, "is over 65536"),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_is_refused(link: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse_magnet(link)


@given(
    st.none() | st.just(V1), st.just(V2), TEXT, st.lists(TEXT, max_size=3).map(tuple),
    st.lists(ADDRESS, max_size=2).map(tuple), st.lists(st.tuples(st.integers(0, 9), st.integers(10, 99))).map(tuple),
)  # fmt: skip
def test_both_ways(
    v1: bytes | None, v2: bytes, name: str, trackers: tuple[str, ...], peers: tuple[str, ...],
    select: tuple[tuple[int, int], ...],
) -> None:  # fmt: skip
    given_ = Magnet(v1, v2, name, trackers, trackers[:1], peers, select)
    assert parse_magnet(str(given_)) == given_


def test_as_libtorrent_reads_it() -> None:
    lt = pytest.importorskip("libtorrent")
    link = str(Magnet(V1, V2, "a file", ("http://t/a", "udp://t:1"), ("http://w/",)))
    theirs, ours = lt.parse_magnet_uri(link), parse_magnet(link)
    assert (theirs.info_hashes.v1.to_bytes(), theirs.info_hashes.v2.to_bytes()) == (
        ours.info_hash_v1,
        ours.info_hash_v2,
    )
    assert (theirs.name, tuple(theirs.trackers), tuple(theirs.url_seeds)) == (ours.name, ours.trackers, ours.web_seeds)


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_text(text: str) -> None:
    for link in (text, f"magnet:?{text}", f"magnet:?xt=urn:btih:{text}"):
        try:
            found = parse_magnet(link)
        except Malformed as error:
            assert str(error)  # noqa: PT017 - the message can be made
        else:
            assert parse_magnet(str(found)) == found


@pytest.mark.thorough
def test_a_hundred_thousand_mutated_links() -> None:
    dice = random.Random(3)
    seed = str(Magnet(V1, V2, "a file", ("http://t/a",), (), ("10.0.0.1:6881",), ((0, 3),)))
    for _ in range(100_000):
        text = list(seed)
        for _ in range(dice.randint(1, 4)):
            text[dice.randrange(len(text))] = dice.choice("magnet:?=&%.0123456789abcdefxyz\ud800\x00")
        with contextlib.suppress(Malformed):
            parse_magnet("".join(text))
