"""The swarms that are captured: who takes part with which program, over which links, and what is shared.

Rates are those of the uplinks; a download is as fast as the others' uplinks allow. The trade-bound swarm is the one in
which tit-for-tat can be seen: its seed is slow and everybody else starts with a random 40 % of the pieces, so what one
gets is what the others give. There the clients limit themselves, as people tell them to: so a choke does not wait in a
socket behind seconds of content.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from content import PIECE_LEN, Shared

__all__ = ["SCENARIOS", "Member", "Scenario"]

MIB = 1 << 20


@dataclass(frozen=True)
class Member:
    """One host of a swarm.

    name : of the host; client : libtorrent, aria2 or transmission; uplink_kbit : kbit/s; limit_kbit : what the client
    itself sends at most, kbit/s, 0 for no limit; seed : has everything from the
    beginning; has : these pieces; after_s : when it starts; leaves : it goes as soon as it is done
    """

    name: str
    client: str
    uplink_kbit: int
    limit_kbit: int = 0
    seed: bool = False
    has: tuple[int, ...] = ()
    after_s: float = 0.0
    leaves: bool = False


@dataclass(frozen=True)
class Scenario:
    """One capture.

    what : in a sentence; tracker : http, udp or none; magnet : the leechers start from a magnet link and find each
    other by DHT; utp : over uTP alone; ipv6 : over IPv6; queue_ms : how long a packet may wait for an uplink; settings
    : of libtorrent; mtu : bytes; timeout_s : after which it has failed
    """

    what: str
    shared: Shared
    members: tuple[Member, ...]
    tracker: str | None = "http"
    magnet: bool = False
    utp: bool = False
    ipv6: bool = False
    queue_ms: int = 300
    mtu: int = 1500
    settings: dict[str, Any] = field(default_factory=dict)
    timeout_s: float = 150.0


def trading(pieces: int, share: float, seed: int) -> tuple[Member, ...]:
    """Return a slow seed and seven leechers of three speeds, each with its own random `share` of the pieces.

    >>> [len(one.has) for one in trading(10, 0.4, 1)]
    [0, 4, 4, 4, 4, 4, 4, 4]
    """
    dice = random.Random(seed)
    rates = {"ann": 800, "ben": 800, "cat": 800, "dan": 550, "eve": 550, "fay": 350, "gus": 350}
    leechers = (
        Member(
            name,
            "libtorrent",
            10_000,
            limit_kbit=rate,
            has=tuple(sorted(dice.sample(range(pieces), round(share * pieces)))),
        )
        for name, rate in rates.items()
    )
    return (Member("seed", "libtorrent", 10_000, limit_kbit=250, seed=True), *leechers)


SCENARIOS = {
    "tcp": Scenario(
        "one seed and four leechers of three clients over TCP, with an HTTP tracker; one leaves when it is done",
        Shared("shared.bin", 4 * MIB),
        (
            Member("seed", "libtorrent", 3000, seed=True),
            Member("ann", "libtorrent", 3000),
            Member("ben", "aria2", 2000, after_s=1.0, leaves=True),
            Member("cat", "transmission", 2000, after_s=2.0),
            Member("dan", "libtorrent", 500, after_s=3.0),
        ),
        settings={"enable_incoming_utp": False, "enable_outgoing_utp": False},
    ),
    "utp": Scenario(
        "one seed and three leechers of two clients over uTP alone, with queues so short that packets get lost",
        Shared("shared.bin", 2 * MIB),
        (
            Member("seed", "libtorrent", 3000, seed=True),
            Member("ann", "libtorrent", 2000),
            Member("ben", "libtorrent", 2000, after_s=1.0),
            Member("cat", "transmission", 2000, after_s=2.0),
        ),
        utp=True,
        queue_ms=25,
        settings={"enable_incoming_tcp": False, "enable_outgoing_tcp": False},
    ),
    "udp-tracker": Scenario(
        "one seed and three leechers of two clients, with a UDP tracker; TCP and uTP as they like",
        Shared("shared.bin", 2 * MIB - 12_345),
        (
            Member("seed", "libtorrent", 3000, seed=True),
            Member("ann", "libtorrent", 2000, leaves=True),
            Member("ben", "transmission", 2000, after_s=1.0),
            Member("cat", "libtorrent", 1000, after_s=4.0),
        ),
        tracker="udp",
    ),
    "magnet": Scenario(
        "three files from a magnet link: no tracker, but a DHT among the peers, metadata and peers from peers",
        Shared("shared", 3 * MIB, {"one.bin": 0, "more/two.bin": 1_000_000, "more/three.bin": 2_222_222}),
        (
            Member("seed", "libtorrent", 3000, seed=True),
            Member("ann", "libtorrent", 2000),
            Member("ben", "aria2", 2000, after_s=2.0),
            Member("cat", "transmission", 2000, after_s=3.0),
        ),
        tracker=None,
        magnet=True,
        settings={"enable_incoming_utp": False, "enable_outgoing_utp": False, "min_reconnect_time": 3},
    ),
    "ipv6": Scenario(
        "one seed and three leechers of two clients over TCP and IPv6, with an HTTP tracker that gives compact peers6",
        Shared("shared.bin", 2 * MIB),
        (
            Member("seed", "libtorrent", 3000, seed=True),
            Member("ann", "libtorrent", 2000),
            Member("ben", "transmission", 2000, after_s=1.0),
            Member("cat", "libtorrent", 1000, after_s=2.0),
        ),
        ipv6=True,
        settings={"enable_incoming_utp": False, "enable_outgoing_utp": False},
    ),
    "trading": Scenario(
        "a slow seed and seven leechers of three speeds that start with a random 40 % of the pieces and trade them: "
        "4 upload slots, a round every 10 s, another optimistic unchoke every 30 s",
        Shared("shared.bin", 16 * MIB),
        trading(16 * MIB // PIECE_LEN, 0.4, 7),
        mtu=8000,  # fewer packets: long enough to show rounds, and still small
        settings={
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            "allowed_fast_set_size": 0,
            "send_buffer_low_watermark": 4096,
            "send_buffer_watermark": 8192,
        },
        timeout_s=220.0,
    ),
    "brief": Scenario(
        "one seed and one leecher, for a test that the recipe works",
        Shared("shared.bin", MIB),
        (Member("seed", "libtorrent", 8000, seed=True), Member("ann", "libtorrent", 8000)),
        settings={"enable_incoming_utp": False, "enable_outgoing_utp": False},
        timeout_s=30.0,
    ),
}
