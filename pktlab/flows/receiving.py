"""What becomes of the packets of a capture at a host: a socket table that lives along with the connections.

A SYN finds the listener; the last segment of the handshake makes the connection's own socket, on the same local port;
what follows goes there by its four-tuple, until a RST, or both FINs and a new SYN. Packets that the host itself sent
are told apart and followed, too. Without a table the sockets are inferred: who is sent a SYN listens, who is sent the
first datagram of a conversation has bound that port, unless the host answers that nobody has.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, replace

from pktlab.flows.demux import SocketTable
from pktlab.flows.keys import FlowKey, flow_key
from pktlab.flows.match import Match, Rule
from pktlab.flows.sockets import Endpoint, Membership, Socket
from pktlab.wire.dissection import Dissection
from pktlab.wire.icmp import Icmp
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

__all__ = ["Delivery", "ReceivingHost"]

MAX_CONNECTIONS = 65_536
"""Connections and handshakes kept at a time, each; beyond it the oldest are forgotten."""
_ACK = TcpFlags(0x010)
MAX_SOCKETS = 2 * MAX_CONNECTIONS
"""Sockets that are inferred at most; a port scan asks for many."""


@dataclass(frozen=True)
class Delivery:
    """What becomes of one packet.

    key : its four-tuple; sent_by : the socket of the host that sent it, if it did; match : who gets it, None if it is
    not for the host; event : what it does to a connection, empty if nothing
    """

    key: FlowKey
    match: Match | None = None
    sent_by: Socket | None = None
    event: str = ""

    @property
    def is_dropped(self) -> bool:
        """Whether the host drops it before it looks for a socket; `event` says why."""
        return self.match is None and self.sent_by is None and self.event != ""

    def __str__(self) -> str:
        if self.sent_by is not None:
            said = f"sent by {self.sent_by.name}"
        elif self.match is None:
            return self.event or "not for this host"
        else:
            said = str(self.match)
        return f"{said}; {self.event}" if self.event else said


class ReceivingHost:
    """A host with a socket table, which is shown packets in the order of the capture.

    Parameters
    ----------
    table : its sockets; None if they are to be inferred, those of every host at once
    is_complete : whether the connections that there are already stand in the table, as they do in that of a running
        machine; if not, a segment of one that nobody saw begin is taken for one of these
    addresses : of the host; if none are given, every packet that fits a socket is for it
    dev : the interface on which the packets come in, for sockets that are bound to one

    >>> from pktlab.wire.ipv4 import Ip
    >>> from pktlab.wire.dissection import dissect
    >>> host = ReceivingHost(SocketTable.of("udp:0.0.0.0:69"))
    >>> print(host.take(dissect(bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1b"), Ip)))
    udp:0.0.0.0:69 (wildcard)
    """

    def __init__(
        self,
        table: SocketTable | None = None,
        addresses: Collection[str] = (),
        dev: str = "",
        *,
        is_complete: bool = False,
    ) -> None:
        self.infers = table is None
        self.table = SocketTable() if table is None else table
        self.addresses: frozenset[str] = frozenset(addresses)
        self.dev = dev
        self.is_complete = is_complete
        self.closed: dict[str, str] = {}
        """Sockets that were inferred and, as the answer shows, are not there; and the answer."""
        self._asked: dict[FlowKey, str] = {}  # whose SYN a listener got, by the name of the listener
        self._opened: set[str] = set()  # listeners with which a connection was made
        self._connections: dict[FlowKey, set[str]] = {}  # by the client's key: "in", "out" once a FIN went that way
        self._seen: dict[FlowKey, bool] = {}  # of connections; True while it is a guess that there is one

    def take(self, packet: Dissection, *, explain: bool = False, dropped: str = "") -> Delivery | None:
        """Return what becomes of a packet; None if it is neither TCP nor UDP, or was cut before its ports.

        Parameters
        ----------
        explain : whether to say why the other sockets lost
        dropped : why the host drops it before it looks for a socket, if it does
        """
        key = flow_key(packet)
        if key is None:
            if self.infers and (refused := _refused(packet)) is not None:
                self._take_back(refused, "ICMP port unreachable")
            return None
        flags = next((one.flags for one in packet.headers if isinstance(one, Tcp) and len(one._raw) > 4), TcpFlags(0))
        if self.infers:
            self._infer(key, flags)
        sender = self._sender(key)
        if sender is not None:
            return Delivery(key, None, sender, self._follow(key.reversed(), flags, "out", sender))
        if not self._is_for_host(key):
            return Delivery(key)
        if dropped:
            self._note(key)
            return Delivery(key, None, None, f"dropped: {dropped}")
        return self._receive(key, flags, explain)

    def _is_for_host(self, key: FlowKey) -> bool:
        return not self.addresses or key.dst in self.addresses or self.table.is_to_several(key)

    def _sender(self, key: FlowKey) -> Socket | None:
        """Return the socket of the host that sent a packet; None if it comes from elsewhere."""
        if self.addresses and key.src not in self.addresses:
            return None
        own = self._owner(key.reversed())
        if own is None or key.dst in self.addresses:
            return None
        if self.addresses or own.peer is not None:
            return own
        return own if self._owner(key) is None else None

    def _owner(self, key: FlowKey) -> Socket | None:
        """Return the socket that packets of `key` belong to, whether it takes further ones or not."""
        return self.table.lookup(key, dev=self.dev, flags=_ACK, explain=False).socket

    def _receive(self, key: FlowKey, flags: TcpFlags, explain: bool) -> Delivery:
        if key.protocol == "tcp":
            self._make_way(key, flags)
            if self._asked.get(key) in self.table and flags.ack and not flags.syn and not flags.reset:
                return self._complete(key, flags, explain)
        event = self._guess(key, flags)
        match = self.table.lookup(key, dev=self.dev, flags=flags, explain=explain)
        if match.rule is Rule.queue_full:
            event = "dropped: it has to be asked again"
        elif key.protocol == "tcp" and match.socket is not None:
            event = event or self._follow(key, flags, "in", match.socket)
        return Delivery(key, match, None, event)

    def _guess(self, key: FlowKey, flags: TcpFlags) -> str:
        """Make the socket of a connection that is older than what was seen; return in words that this was done."""
        is_new = key.protocol == "tcp" and key not in self._seen
        self._note(key)
        if not is_new or self.infers or self.is_complete or flags.syn or flags.reset:
            return ""
        listener = self._owner(key)
        if listener is None or not listener.is_listening or self.table.is_to_several(key):
            return ""
        self._accept(listener, key)
        self._seen[key] = True
        return "of a connection from before the capture, it seems"

    def _note(self, key: FlowKey) -> None:
        """Keep in mind that a connection was seen, so that what comes of it later is not taken for older."""
        if key.protocol == "tcp":
            self._seen.setdefault(key, False)
            if len(self._seen) > MAX_CONNECTIONS:
                del self._seen[next(iter(self._seen))]

    def _make_way(self, key: FlowKey, flags: TcpFlags) -> None:
        """Let a SYN on a connection that both ends have closed begin a new one (RFC 9293 section 3.6.1).

        A table that was read after the SYN came may hold the connection already that this SYN began.
        """
        if flags.syn and not flags.ack:
            if self._connections.get(key) == {"in", "out"}:
                self._forget(key)
            elif self.is_complete and key not in self._connections:
                self._remove_child(key)

    def _complete(self, key: FlowKey, flags: TcpFlags, explain: bool) -> Delivery:
        """Make the socket of a connection: the handshake is over, whether the program has called accept or not."""
        listener = self.table.named(self._asked[key])
        if self.table.is_full(listener):
            match = self.table.lookup(key, dev=self.dev, explain=explain)
            return Delivery(key, match, None, "dropped: the client believes that it is connected")
        del self._asked[key]
        self._accept(listener, key)
        if flags.fin:
            self._connections[key].add("in")
        match = self.table.lookup(key, dev=self.dev, flags=flags, explain=explain)
        return Delivery(
            key,
            replace(match, rule=Rule.handshake),
            None,
            "the connection's own socket is made, on the listener's port",
        )

    def _accept(self, listener: Socket, key: FlowKey) -> None:
        self.table.accept(listener, key)
        self._opened.add(listener.name)
        self._connections[key] = set()
        if len(self._connections) > MAX_CONNECTIONS:
            self._forget(next(iter(self._connections)))

    def _follow(self, key: FlowKey, flags: TcpFlags, way: str, own: Socket) -> str:
        """Note what a TCP segment does to the connection of `key`, the client's; return it in words."""
        if key.protocol != "tcp":
            return ""
        if flags.reset:
            return self._reset(key, way, own)
        if way == "out" and key in self._seen:
            self._seen[key] = False
        if own.is_listening:
            return self._follow_listener(key, flags, way, own)
        if way == "out" and (flags.push or flags.fin):
            self.table.took(own)  # no program sends before it has the connection
        if flags.fin and key in self._connections:
            self._connections[key].add(way)
        return ""

    def _follow_listener(self, key: FlowKey, flags: TcpFlags, way: str, own: Socket) -> str:
        if way == "in" and flags.syn and not flags.ack:
            self._ask(key, own)
            return "asks for a connection"
        if way == "out" and flags.syn and key not in self._asked:
            self.table.take(own)
            self._ask(key, own)
        if way == "out" and not flags.syn and key not in self._asked:
            self._accept(own, key)
            return "a connection from before the capture"
        return ""

    def _reset(self, key: FlowKey, way: str, own: Socket) -> str:
        if self.infers and way == "out" and self._asked.get(key) == own.name and own.name not in self._opened:
            self._take_back(key, "RST")
            return "so nobody listens there"
        was_open = key in self._connections or self._asked.pop(key, None) is not None
        was_guessed = way == "out" and self._seen.get(key, False)
        self._forget(key)
        if was_guessed:
            self.closed[own.name] = "RST"
            return "so there was no such connection"
        return "reset: the connection's socket is gone" if was_open else ""

    def _ask(self, key: FlowKey, listener: Socket) -> None:
        self._asked[key] = listener.name
        if len(self._asked) > MAX_CONNECTIONS:
            del self._asked[next(iter(self._asked))]

    def _forget(self, key: FlowKey) -> None:
        if self._connections.pop(key, None) is not None:
            self._remove_child(key)

    def renew(self, table: SocketTable) -> None:
        """Go on with a table that was read anew; a connection in it whose handshake was not seen yet comes later."""
        self.table = table
        self._asked = {key: name for key, name in self._asked.items() if name in table}
        for key in self._asked:
            self._remove_child(key)
        self._connections = {key: ends for key, ends in self._connections.items() if self._child(key) is not None}

    def _child(self, key: FlowKey) -> Socket | None:
        """Return the socket of the connection that packets of `key` belong to; None if there is no connection."""
        own = self._owner(key)
        return own if own is not None and own.peer is not None else None

    def _remove_child(self, key: FlowKey) -> None:
        own = self._child(key)
        if own is not None:
            self.table.remove(own)

    # ---- sockets that nobody told of

    def _infer(self, key: FlowKey, flags: TcpFlags) -> None:
        """Add the socket that there has to be for a packet, if none fits it yet and there are not too many."""
        both_ways = (key, key.reversed())
        if len(self.table) >= MAX_SOCKETS or (key.protocol == "tcp" and any(map(self.table.is_to_several, both_ways))):
            return
        for way in both_ways:
            found = self.table.lookup(way, flags=_ACK, explain=False).socket
            if found is not None and (not found.is_listening or flags.syn or way in self._asked):
                return
        if key.protocol == "udp":
            self.table.add(self._bound(key))
            return
        server = key.reversed() if flags.syn and flags.ack else key
        if not flags.syn and key.srcport < key.dstport:
            server = key.reversed()
        listener = self.table.lookup(server._replace(srcport=0), explain=False).socket
        if listener is None:
            listener = self.table.add(Socket("tcp", Endpoint(server.dst, server.dstport)))
        if not flags.syn and not flags.reset:
            self._accept(listener, server)

    def _take_back(self, key: FlowKey, answer: str) -> None:
        """Remove the socket that a packet seemed to be for: the host refused it."""
        found = self.table.lookup(key, explain=False).socket
        if found is not None and found.peer is None and found.name not in self._opened:
            self.table.remove(found)
            if len(self.closed) < MAX_SOCKETS:
                self.closed[found.name] = answer
            self._asked.pop(key, None)

    @staticmethod
    def _bound(key: FlowKey) -> Socket:
        local = Endpoint(key.dst, key.dstport)
        address = ipaddress.ip_address(key.dst)
        if not address.is_multicast and key.dst != "255.255.255.255":
            return Socket("udp", local)
        anywhere = replace(
            Socket("udp", local), local=Endpoint("::" if address.version == 6 else "0.0.0.0", local.port)
        )
        return replace(anywhere, groups=frozenset({Membership(key.dst)})) if address.is_multicast else anywhere


def _refused(packet: Dissection) -> FlowKey | None:
    """Return the key of the datagram that an ICMP port unreachable quotes (RFC 792; RFC 4443 section 3.1)."""
    ends: tuple[str, str] | None = None
    is_refusal = False
    for layer in packet.layers:
        header = layer.header
        if isinstance(header, Icmp | Icmpv6) and len(header._raw) > 1:
            is_refusal = (header.type, header.code) == ((3, 3) if isinstance(header, Icmp) else (1, 4))
        elif isinstance(header, Ip | Ipv6) and layer.quoted and layer.error is None:
            ends = header.src, header.dst
        elif isinstance(header, Udp) and is_refusal and ends and layer.error is None:
            return FlowKey("udp", ends[0], header.srcport, ends[1], header.dstport)
    return None
