"""`from_schema` over the project's own pages: what is drawn builds, reads as that, and builds so again."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.statistics import collector

import pktlab.wire
import pktlab.wire.apps
from pktlab.testing import from_schema
from pktlab.wire import Header
from pktlab.wire.apps.dhcp import Dhcp
from pktlab.wire.apps.dhcpv6 import Dhcpv6
from pktlab.wire.apps.dns import Dns, DnsTcp
from pktlab.wire.apps.http import Http
from pktlab.wire.apps.quic import Quic
from pktlab.wire.apps.rtcp import Rtcp
from pktlab.wire.apps.stun import Stun
from pktlab.wire.apps.tls import ClientHello, Tls
from pktlab.wire.gre import Gre
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.ipv6 import HopByHop, Routing
from pktlab.wire.overlays import Geneve
from pktlab.wire.sctp import Sctp

USUAL = (
    Dns, DnsTcp, Dhcp, Dhcpv6, Http, Quic, Rtcp, Stun, Tls, Gre, Icmpv6, HopByHop, Routing, Geneve, Sctp,
)  # fmt: skip


def all_headers() -> list[type[Header]]:
    """Return every header class of the project, in the order of their names."""
    found = []
    for package in (pktlab.wire, pktlab.wire.apps):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            there = vars(importlib.import_module(module.name)).values()
            headers = [one for one in there if isinstance(one, type) and issubclass(one, Header)]
            found += [one for one in headers if one.__module__ == module.name and one is not Header]
    return sorted(found, key=name)


def name(header: type[Header]) -> str:
    return f"{header.__module__.removeprefix('pktlab.wire.')}.{header.__name__}"


def assert_right(header: type[Header], count: int) -> list[Any]:
    """Draw values and hold them to what is said; return them. At most one case in ten is thrown away."""
    statuses: list[str] = []
    values: list[Any] = []

    @settings(
        max_examples=count, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(from_schema(header))
    def test(value: Any) -> None:
        data = value.build(b"", lambda length: b"")
        again = header.parse(data)
        assert again.build(b"", lambda length: b"") == data
        values.append(again)

    def note(statistics: dict[str, Any]) -> None:
        statuses.extend(case["status"] for case in statistics["generate-phase"]["test-cases"])

    with collector.with_value(note):
        test()
    assert statuses.count("invalid") <= 0.1 * len(statuses)
    return values


@pytest.mark.parametrize("header", USUAL, ids=name)
def test_what_is_drawn_builds_and_reads_again(header: type[Header]) -> None:
    assert assert_right(header, 20)


@pytest.mark.thorough
@pytest.mark.parametrize("header", all_headers(), ids=name)
def test_what_is_drawn_of_every_page_builds_and_reads_again(header: type[Header]) -> None:
    assert assert_right(header, 150)


def test_lists_hold_what_looks_like_it() -> None:
    records = [record for tls in assert_right(Tls, 60) for record in tls.records]
    hellos = [record for record in records if "Handshakes" in type(record.body).__name__ and record.body.messages]
    assert len(records) > 60 < len(hellos) * 10
    assert any(hello.lists for hello in assert_right(ClientHello, 30))


def test_records_are_of_many_types() -> None:
    answers = [record for dns in assert_right(Dns, 60) for record in (*dns.answers, *dns.additional)]
    assert len({record.rtype for record in answers}) > 8
    assert len({type(record.rdata) for record in answers}) > 6
