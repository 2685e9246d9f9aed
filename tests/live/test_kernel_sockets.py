"""The model of the socket lookup held against the running kernel: random tables, random packets, no difference.

What the kernel's secret hash decides (SO_REUSEPORT) is compared by membership, and by the same four-tuple going to the
same socket as long as no socket comes or goes.
"""

from __future__ import annotations

import errno
import itertools
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pktlab.flows.demux import SocketTable
from pktlab.flows.keys import FlowKey
from pktlab.flows.match import Match, Rule
from pktlab.flows.sockets import Endpoint, Membership, Socket, parse_socket
from pktlab.live import Sandbox
from pktlab.live.kernel_sockets import DATA, Effect, KernelSockets

UNAVAILABLE = Sandbox.available()
PORTS, PEER_PORTS = (5000, 5001), (6000, 6001)
LOCAL = {4: ("10.9.0.1", "10.9.0.2", "10.9.1.1"), 6: ("2001:db8:9::1", "2001:db8:9::2", "2001:db8:a::1")}
PEERS = {4: ("10.9.0.8", "10.9.0.9"), 6: ("2001:db8:9::8", "2001:db8:9::9")}
GROUPS = {4: ("239.1.1.1", "239.1.1.2"), 6: ("ff05::1:1", "ff05::1:2")}
DEVS = ("tun0", "tun1")
BROADCAST = ("10.9.0.255", "255.255.255.255")
counted = {"tables": 0, "packets": 0, "copies": 0, "hashed": 0, "connections": 0, "refused": 0, "full": 0}


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelSockets]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox() as box, KernelSockets.on(box["server"]) as made:
        yield made


STYLES = {"mixed": None, "alone": (False, False), "reuseaddr": (True, False), "reuseport": (False, True)}
"""How the programs on a host set SO_REUSEADDR and SO_REUSEPORT: where all agree, more of them share a port."""


@st.composite
def sockets(draw: st.DrawFn, style: str) -> Socket:
    """Return a socket to be bound: any family, address, interface and options, and groups if it is UDP."""
    protocol = draw(st.sampled_from(("udp", "udp", "tcp")))
    version = draw(st.sampled_from((4, 4, 6)))
    anywhere = ("0.0.0.0",) if version == 4 else ("::", "::", f"::ffff:{LOCAL[4][0]}")
    address = draw(st.sampled_from((LOCAL[version][0], *LOCAL[version], *anywhere, *anywhere)))
    memberships = st.builds(Membership, st.sampled_from(GROUPS[version]), st.sampled_from(DEVS))
    takes_groups = protocol == "udp" and not (version == 6 and "." in address)
    reuse = STYLES[style] or (draw(st.booleans()), draw(st.booleans()))
    return Socket(
        protocol, Endpoint(address, draw(st.sampled_from((PORTS[0], *PORTS)))),
        dev=draw(st.sampled_from(("", "", "", *DEVS))),
        reuseaddr=reuse[0], reuseport=reuse[1], v6only=address == "::" and draw(st.booleans()),
        groups=draw(st.frozensets(memberships, max_size=2)) if takes_groups and draw(st.booleans()) else frozenset(),
        multicast_all=draw(st.sampled_from((True, True, False))),
        backlog=draw(st.sampled_from((None, 0, 0, 1))) if protocol == "tcp" else None,
    )  # fmt: skip


@st.composite
def segments(draw: st.DrawFn) -> FlowKey:
    version = draw(st.sampled_from((4, 4, 6)))
    dst, port = draw(st.sampled_from((LOCAL[version][0], *LOCAL[version]))), draw(st.sampled_from((PORTS[0], *PORTS)))
    return FlowKey("tcp", draw(st.sampled_from(PEERS[version])), draw(st.sampled_from(PEER_PORTS)), dst, port)


class Lookups(RuleBasedStateMachine):
    """Programs bind, connect and close sockets; packets come in; the model and the kernel do the same."""

    kernel: KernelSockets

    @initialize(style=st.sampled_from(sorted(STYLES)), data=st.data())
    def start(self, style: str, data: st.DataObject) -> None:
        self.kernel.close_all()
        self.table = SocketTable(networks=("10.9.0.0/24", "10.9.1.0/24"))
        self.seen: dict[tuple[FlowKey, str], str] = {}
        self.count = 0
        self.style = style
        self.queued: dict[str, FlowKey] = {}
        """Connections that no program has accepted, by the name that the model has for them."""
        counted["tables"] += 1
        for wanted in data.draw(st.lists(sockets(style), min_size=2, max_size=8)):
            self.bind_one(wanted)

    def teardown(self) -> None:
        self.kernel.close_all()

    @rule(data=st.data())
    def bind(self, data: st.DataObject) -> None:
        self.bind_one(data.draw(sockets(self.style)))

    def bind_one(self, wanted: Socket) -> None:
        """Bind a socket in both worlds; where the model sees it refused, the kernel has to refuse it."""
        self.count += 1
        in_the_way = self.table.conflict(wanted)
        added = None if in_the_way else self.table.add(Socket(**{**vars(wanted), "name": f"s{self.count}"}))
        refusal = None
        try:
            self.kernel.bind(added or wanted)
        except OSError as error:
            refusal = error.errno
            counted["refused"] += 1
        foretold = errno.EADDRINUSE if in_the_way else None
        assert refusal == foretold, f"{wanted}: {refusal}, {in_the_way} in the way, with {self.shown()}"
        self.seen.clear()

    @precondition(lambda self: any(one.protocol == "udp" for one in self.table.sockets))
    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([one for one in self.table.sockets if one.protocol == "udp"]))
        version = data.draw(st.sampled_from([version for version in (4, 6) if one.takes(version)]))
        address = data.draw(st.sampled_from(PEERS[version]))
        mapped = "::ffff:" if one.family == 6 and version == 4 else ""
        peer = Endpoint(mapped + address, data.draw(st.sampled_from(PEER_PORTS)))
        local = self.kernel.connect(one.name, peer)
        self.table.connect(one, peer, local)
        self.seen.clear()

    @precondition(lambda self: self.table.sockets)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([one for one in self.table.sockets if one.name not in self.queued]))
        self.kernel.close(one.name)
        self.table.remove(one)
        self.queued = {name: key for name, key in self.queued.items() if name in self.table}
        self.seen.clear()

    @rule(place=st.integers(0, 1), srcport=st.sampled_from(PEER_PORTS), dev=st.sampled_from(DEVS))
    def datagrams(self, place: int, srcport: int, dev: str) -> None:
        for version in (4, 6):
            everywhere = (*LOCAL[version], *GROUPS[version], *(BROADCAST if version == 4 else ()))
            for dst, port in itertools.product(everywhere, PORTS):
                key = FlowKey("udp", PEERS[version][place], srcport, dst, port)
                self.compare(key, dev, self.table.lookup(key, dev=dev), self.kernel.send(key, dev))

    @rule(key=segments(), dev=st.sampled_from(DEVS))
    def syn(self, key: FlowKey, dev: str) -> None:
        if self.queued:
            return  # `accept` would give another one
        match = self.table.lookup(key, dev=dev)
        effect = self.kernel.send(key, dev)
        if match.rule is Rule.four_tuple:
            counted["packets"] += 1
            assert effect.taken == () and effect.answer in ("", "ACK"), f"{key}: {match}, seen {effect}"  # noqa: PT018
            return
        self.compare(key, dev, match, effect)
        if effect.child:
            counted["connections"] += 1
            self.table.took(self.table.accept(self.table.named(effect.taken[0]), key, effect.child))

    @rule(key=segments(), dev=st.sampled_from(DEVS))
    def syn_that_nobody_accepts(self, key: FlowKey, dev: str) -> None:
        match = self.table.lookup(key, dev=dev)
        listener = match.socket
        if match.rule is not Rule.queue_full and (listener is None or listener.backlog is None or listener.peer):
            return
        if match.rule is Rule.reuseport:
            return
        effect = self.kernel.send(key, dev, accepts=False)
        counted["packets"] += 1
        said = f"{key}: {match}, seen {effect}, with {self.shown()}"
        if listener is None:
            counted["full"] += 1
            assert effect.answer == "", said
        else:
            assert effect.answer == "SYN, ACK", said
            self.queued[self.table.accept(listener, key).name] = key

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        waiting = [one for one in self.table.sockets if one.is_listening and self.kernel.waiting(one.name)]
        listener = data.draw(st.sampled_from(waiting))
        name = self.table.take(listener)
        assert self.kernel.accept(listener.name, name) == self.queued.pop(name), self.shown()

    @rule(key=segments(), dev=st.sampled_from(DEVS), data=st.data())
    def segment(self, key: FlowKey, dev: str, data: st.DataObject) -> None:
        known = sorted({one.key for one in self.kernel.connections.values()})
        if known and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(known))
        if key in self.queued.values():
            return  # nobody reads it
        match = self.table.lookup(key, dev=dev, flags=DATA)
        effect = self.kernel.send(key, dev, DATA, numbers_of=match.socket.name if match.socket else "")
        if match.answer == "RST":  # a listener gets no data, and answers as if it were not there
            match = Match(None, Rule.nobody, answer="RST")
        self.compare(key, dev, match, effect)

    def compare(self, key: FlowKey, dev: str, match: Match, effect: Effect) -> None:
        """Hold the prediction against what happened."""
        counted["packets"] += 1
        said = f"{key} on {dev}: {match}, seen {effect}, with {self.shown()}"
        names = tuple(one.name for one in match.sockets)
        if match.rule is Rule.reuseport:
            counted["hashed"] += 1
            assert len(effect.taken) == 1, said
            assert effect.taken[0] in names, said
            assert self.seen.setdefault((key, dev), effect.taken[0]) == effect.taken[0], said
        else:
            counted["copies"] += len(names) > 1
            assert sorted(effect.taken) == sorted(names), said
        if match.answer or key.protocol == "udp":
            assert effect.answer == match.answer, said

    def shown(self) -> str:
        return "; ".join(f"{one.name}={one}" for one in self.table.sockets)


def run(kernel: KernelSockets, tables: int, steps: int) -> None:
    counted.update(dict.fromkeys(counted, 0))
    machine = type("Lookups", (Lookups,), {"kernel": kernel})
    profile = settings(
        max_examples=tables, stateful_step_count=steps, phases=(Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=profile)


def test_the_kernel_gives_packets_to_the_sockets_that_were_foretold(kernel: KernelSockets) -> None:
    run(kernel, 12, 20)
    assert counted["tables"] >= 12
    assert counted["packets"] >= 100


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_so_it_does_with_many_tables(kernel: KernelSockets) -> None:
    run(kernel, 550, 35)
    assert counted["tables"] >= 500, counted
    assert counted["packets"] >= 5000, counted
    assert min(count for name, count in counted.items() if name != "full") > 50, counted
    assert counted["full"] > 5, counted
    print(counted)


TEXTBOOK = {
    "the connected one gets what its peer sends": ("10.9.0.9:6000 > 10.9.0.1", "any one peer", "peer"),
    "the specific one what others send": ("10.9.0.9:6001 > 10.9.0.1", "any one peer", "one"),
    "the wildcard one what goes to another address": ("10.9.0.9:6000 > 10.9.0.2", "any one peer", "any"),
    "an address goes before an interface": ("10.9.0.9:6000 > 10.9.0.1", "one dev", "one"),
    "only connected: nobody gets what others send": ("10.9.0.9:6001 > 10.9.0.1", "peer", ""),
    "the last bound wins a tie": ("10.9.0.9:6000 > 10.9.0.1", "first second third", "third"),
    "IPv4 goes before dual-stack": ("10.9.0.9:6000 > 10.9.0.2", "v4 both", "v4"),
    "dual-stack takes IPv4": ("10.9.0.9:6000 > 10.9.0.2", "both", "both"),
    "V6ONLY does not": ("10.9.0.9:6000 > 10.9.0.2", "six", ""),
    "everybody gets multicast": ("10.9.0.9:6000 > 239.1.1.1", "member other", "member other"),
    "IP_MULTICAST_ALL=0 takes its own groups only": ("10.9.0.9:6000 > 239.1.1.1", "member deaf", "member"),
    "nobody joined, nobody gets it": ("10.9.0.9:6000 > 239.1.1.1", "other", ""),
    "an IPv6 socket has no IP_MULTICAST_ALL": ("10.9.0.9:6000 > 239.1.1.1", "both member", "member"),
}
DESCRIBED = {
    "any": "udp:0.0.0.0:5000,reuseaddr", "one": "udp:10.9.0.1:5000,reuseaddr",
    "peer": "udp:10.9.0.1:5000,reuseaddr,peer=10.9.0.9:6000", "dev": "udp:0.0.0.0:5000,reuseaddr,dev=tun0",
    "first": "udp:10.9.0.1:5000,reuseaddr", "second": "udp:10.9.0.1:5000,reuseaddr",
    "third": "udp:10.9.0.1:5000,reuseaddr", "v4": "udp:0.0.0.0:5000,reuseaddr", "both": "udp:[::]:5000,reuseaddr",
    "six": "udp:[::]:5000,v6only", "member": "udp:0.0.0.0:5000,reuseaddr,member=239.1.1.1%tun0",
    "other": "udp:0.0.0.0:5000,reuseaddr", "deaf": "udp:0.0.0.0:5000,reuseaddr,multicast_all=0",
}  # fmt: skip


@pytest.mark.parametrize("sentence", TEXTBOOK)
def test_the_textbook_and_what_it_leaves_out(sentence: str, kernel: KernelSockets) -> None:
    packet, names, expected = TEXTBOOK[sentence]
    kernel.close_all()
    table = SocketTable()
    for name in names.split():
        wanted = parse_socket(f"{DESCRIBED[name]},name={name}")
        kernel.bind(wanted)
        if wanted.peer is not None:
            kernel.connect(name, wanted.peer)
        table.add(wanted)
    source, _, destination = packet.partition(" > ")
    address, _, port = source.partition(":")
    key = FlowKey("udp", address, int(port), destination, 5000)
    match, effect = table.lookup(key, dev="tun0"), kernel.send(key, "tun0")
    assert sorted(effect.taken) == sorted(expected.split())
    assert sorted(one.name for one in match.sockets) == sorted(expected.split())
    assert {one.socket.name for one in match.runners_up} == set(names.split()) - set(expected.split())
    assert all(one.reason for one in match.runners_up)


def test_one_that_is_connected_again_loses_to_one_that_was_connected_once(kernel: KernelSockets) -> None:
    kernel.close_all()
    table = SocketTable.of(*(f"udp:10.9.0.1:5000,reuseaddr,name={name}" for name in ("once", "again", "last")))
    for one in table.sockets:
        kernel.bind(one)
    for name, port in (("once", 6000), ("again", 6001), ("again", 6000)):
        kernel.connect(name, Endpoint("10.9.0.9", port))
        table.connect(table.named(name), Endpoint("10.9.0.9", port))
    key = FlowKey("udp", "10.9.0.9", 6000, "10.9.0.1", 5000)
    assert (str(table.lookup(key)), kernel.send(key, "tun0").taken) == ("once (four-tuple)", ("once",))
    kernel.close("once")
    table.remove(table.named("once"))
    assert (str(table.lookup(key)), kernel.send(key, "tun0").taken) == ("again (four-tuple)", ("again",))


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_hash_chooses_among_those_with_reuseport(protocol: str, kernel: KernelSockets) -> None:
    kernel.close_all()
    table = SocketTable.of(*(f"{protocol}:10.9.0.1:5000,reuseport,name=w{n}" for n in range(4)))
    for one in table.sockets:
        kernel.bind(one)
    got: Counter[str] = Counter()
    for port in range(20_000, 20_100):
        key = FlowKey(protocol, "10.9.0.9", port, "10.9.0.1", 5000)
        match = table.lookup(key, dev="tun0")
        assert (match.rule, len(match.sockets)) == (Rule.reuseport, 4)
        got.update(kernel.send(key, "tun0").taken)
        if protocol == "udp":
            (again,) = kernel.send(key, "tun0").taken
            assert kernel.send(key, "tun0").taken == (again,)
    assert set(got) == {"w0", "w1", "w2", "w3"}  # none of 100 flows at one of four: 3e-13
    assert got.total() == 100


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("backlog", [0, 1, 2, 5])
def test_a_listener_keeps_one_more_than_its_backlog_and_drops_the_rest(
    backlog: int, version: int, kernel: KernelSockets
) -> None:
    kernel.close_all()
    address, server_port = LOCAL[version][0], 5100 + backlog  # the old connections keep theirs for a while
    shown = f"[{address}]" if version == 6 else address
    table = SocketTable.of(f"tcp:{shown}:{server_port},backlog={backlog},name=web")
    web = table.named("web")
    kernel.bind(web)
    kept = 0
    for port in range(7000, 7000 + backlog + 4):
        key = FlowKey("tcp", PEERS[version][0], port, address, server_port)
        match, effect = table.lookup(key), kernel.send(key, "tun0", accepts=False)
        assert (match.rule is Rule.queue_full) == (effect.answer == ""), (port, effect)
        if match.socket is not None:
            table.accept(web, key)
            kept += 1
        assert kernel.waiting("web") == kept
    assert kept == backlog + 1
    assert [one.reason for one in match.runners_up if one.socket == web] == [
        f"its accept queue is full: it keeps {backlog + 1}, and drops the request"
    ]
    child, (_, port, *_) = kernel.sockets["web"].accept()
    assert table.named(table.take(web)).peer == Endpoint(PEERS[version][0], port)
    child.close()
    again = FlowKey("tcp", PEERS[version][0], 7100, address, server_port)
    assert table.lookup(again).socket == web
    assert kernel.send(again, "tun0", accepts=False).answer == "SYN, ACK"
