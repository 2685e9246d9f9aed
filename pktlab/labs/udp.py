"""Experiments with UDP: who gets a datagram, from which port it comes, and who may share a port."""

from __future__ import annotations

import socket
from collections import Counter

from pktlab.labs.lab import Lab, end_of, is_empty

PORT = 12_000


def _to(lab: Lab, port: int = PORT) -> tuple[str, int]:
    return str(lab.server.ipv4), port


def sender_multiplexing(lab: Lab) -> None:
    """Show that the source port in each header says which of a host's sockets sent it."""
    server = lab.serve(f"udp:0.0.0.0:{PORT}")
    lab.serve(f"tcp:0.0.0.0:{PORT}")
    clients = [lab.visit("udp") for _ in range(3)]
    for number, client in enumerate(clients):
        client.sendto(f"from {number}".encode(), _to(lab))
    stream = lab.visit("tcp")
    stream.connect(_to(lab))
    seen = {port: data for data, (_, port) in (server.recvfrom(100) for _ in clients)}
    lab.check("each datagram has the port of the socket that sent it",
              seen == {end_of(one).port: f"from {number}".encode() for number, one in enumerate(clients)})  # fmt: skip
    headers = {one["udp.srcport"] for one in lab.received("udp")}
    lab.check("the headers in the capture have the same three ports", headers == set(seen))
    syns = [one for one in lab.received("tcp") if one.tcp.flags.syn]
    lab.check("the TCP header has the port of the TCP socket", syns[0]["tcp.srcport"] == end_of(stream).port)


def client_port(lab: Lab) -> None:
    """Show that a client that does not bind gets its source port from the kernel when it first sends or connects."""
    server = lab.serve(f"udp:0.0.0.0:{PORT}")
    words = lab.client.run(["cat", "/proc/sys/net/ipv4/ip_local_port_range"]).stdout.split()
    low, high = map(int, words)
    one, other, own = lab.visit("udp"), lab.visit("udp"), lab.visit("udp", port=5000)
    lab.check("before it sends it has no port", end_of(one).port == 0)
    for client in (one, other, own):
        client.sendto(b"hello", _to(lab))
    ports = [server.recvfrom(100)[1][1] for _ in range(3)]
    lab.check(f"the kernel chose from {low} to {high}", all(low <= port <= high for port in ports[:2]))
    lab.check("two sockets got two ports", ports[0] != ports[1])
    lab.check("it keeps its port", end_of(one).port == ports[0])
    lab.check("who binds chooses", ports[2] == 5000)


def many_clients(lab: Lab) -> None:
    """Show that one UDP socket serves every client: each datagram comes with its sender's address."""
    server = lab.serve(f"udp:0.0.0.0:{PORT}")
    clients = [lab.visit("udp") for _ in range(6)]
    for number, client in enumerate(clients):
        client.sendto(f"client {number}".encode(), _to(lab))
    senders = set()
    for _ in clients:
        data, sender = server.recvfrom(100)
        senders.add(sender)
        server.sendto(data.upper(), sender)
    answers = [client.recv(100) for client in clients]
    lab.check("six clients, one socket, six different senders", len(senders) == 6)
    lab.check("each got its own answer", answers == [f"CLIENT {number}".encode() for number in range(6)])


def connected(lab: Lab) -> None:
    """Show that a connected UDP socket is found by the four-tuple: it hears its peer only, and goes first."""
    client, stranger = lab.visit("udp", port=5001), lab.visit("udp", port=5002)
    everybody = lab.serve(f"udp:0.0.0.0:{PORT},reuseaddr,name=wildcard")
    peer = f"{lab.client.ipv4}:5001"
    own = lab.serve(f"udp:{lab.server.ipv4}:{PORT},reuseaddr,peer={peer},name=connected")
    client.sendto(b"from the peer", _to(lab))
    stranger.sendto(b"from a stranger", _to(lab))
    lab.check("the peer's datagram goes to the connected socket", own.recv(100) == b"from the peer")
    lab.check("a stranger's goes to the other one", everybody.recv(100) == b"from a stranger")
    lab.check("nobody got both", is_empty(own) and is_empty(everybody))


def reply_from_elsewhere(lab: Lab) -> None:
    """Show that an answer from another socket reaches an unconnected client, and not a connected one."""
    server, other = lab.serve(f"udp:0.0.0.0:{PORT}"), lab.serve("udp:0.0.0.0:12001")
    bound, open_to_all = lab.visit("udp"), lab.visit("udp")
    bound.connect(_to(lab))
    bound.send(b"a")
    open_to_all.sendto(b"b", _to(lab))
    senders = dict(server.recvfrom(10) for _ in range(2))
    for sender in senders.values():
        other.sendto(b"from port 12001", sender)
    data, source = open_to_all.recvfrom(100)
    lab.check(
        "the unconnected client hears it, and sees another port", (data, source[1]) == (b"from port 12001", 12001)
    )
    server.sendto(b"from port 12000", senders[b"a"])
    lab.check("the connected one hears only whom it is connected to", bound.recv(100) == b"from port 12000")
    refused = [one for one in lab.received("icmp") if (one["icmp.type"], one["icmp.code"]) == (3, 3)]
    lab.check("its host answers the other one: port unreachable", len(refused) == 1)


def reuseaddr(lab: Lab) -> None:
    """Show that with SO_REUSEADDR UDP sockets share a port, and the last bound gets it all; listeners never do."""
    names = ("first", "second", "third")
    sockets = [lab.serve(f"udp:{lab.server.ipv4}:{PORT},reuseaddr,name={name}") for name in names]
    client = lab.visit("udp")
    client.sendto(b"one", _to(lab))
    lab.check("the last bound gets it", sockets[2].recv(100) == b"one")
    lab.shut(sockets[2])
    client.sendto(b"two", _to(lab))
    lab.check("when it is closed, the one before", sockets[1].recv(100) == b"two")
    lab.check("the first got nothing", is_empty(sockets[0]))
    lab.check("without the option a fourth is refused", lab.is_refused(f"udp:{lab.server.ipv4}:{PORT}"))
    lab.serve(f"tcp:0.0.0.0:{PORT},reuseaddr,name=listener")
    lab.check("a second TCP listener is refused", lab.is_refused(f"tcp:0.0.0.0:{PORT},reuseaddr"))


def reuseport(lab: Lab) -> None:
    """Show that with SO_REUSEPORT a hash spreads the clients over sockets, and each stays with its own."""
    workers = [lab.serve(f"udp:0.0.0.0:{PORT},reuseport,name=worker{number}") for number in range(4)]
    clients = [lab.visit("udp") for _ in range(64)]
    for _ in range(3):
        for client in clients:
            client.sendto(b"x", _to(lab))
    homes: dict[int, set[int]] = {}
    share: Counter[int] = Counter()
    for number, worker in enumerate(workers):
        while not is_empty_after_reading(worker, number, homes, share):
            pass
    lab.check("all 192 datagrams arrived", share.total() == 192)
    lab.check("each client stayed with one socket", all(len(one) == 1 for one in homes.values()) and len(homes) == 64)
    lab.check("no socket was left out", len(share) == 4)  # by chance: 4 * 0.75 ** 64 = 4e-8


def is_empty_after_reading(worker: socket.socket, number: int, homes: dict[int, set[int]], share: Counter[int]) -> bool:
    """Read a datagram, and note who sent it to whom; return whether there was none left."""
    worker.setblocking(False)
    try:
        _, (_, port) = worker.recvfrom(10)
    except BlockingIOError:
        return True
    homes.setdefault(port, set()).add(number)
    share[number] += 1
    return False


def multicast(lab: Lab) -> None:
    """Show that a multicast datagram is copied to every member on its port; a unicast one goes to one socket."""
    group = "239.1.1.1"
    texts = [f"udp:0.0.0.0:{PORT},reuseaddr,member={group}%eth0,name={name}" for name in ("first", "second")]
    members = [lab.serve(text) for text in texts]
    deaf = lab.serve(f"udp:0.0.0.0:{PORT},reuseaddr,multicast_all=0,name=no-member")
    client = lab.visit("udp")
    client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(str(lab.client.ipv4)))
    client.sendto(b"to the group", (group, PORT))
    lab.check("both members got a copy", [one.recv(100) for one in members] == [b"to the group"] * 2)
    client.sendto(b"to the host", _to(lab))
    lab.check("unicast goes to the last bound alone", deaf.recv(100) == b"to the host")
    lab.check("and nothing more to anybody", all(map(is_empty, [*members, deaf])))
    lab.check("one datagram crossed the wire", sum(one.get("ip.dst") == group for one in lab.received("udp")) == 1)


def dual_stack(lab: Lab) -> None:
    """Show that a socket bound to :: takes IPv4, as ::ffff:a.b.c.d, unless an IPv4 one is there or V6ONLY set."""
    both = lab.serve(f"udp:[::]:{PORT},reuseaddr,name=dual-stack")
    client, client6 = lab.visit("udp"), lab.visit("udp", family=6)
    client.sendto(b"four", _to(lab))
    data, sender = both.recvfrom(100)
    lab.check("it gets IPv4, mapped", (data, sender[0]) == (b"four", f"::ffff:{lab.client.ipv4}"))
    four = lab.serve(f"udp:0.0.0.0:{PORT},reuseaddr,name=IPv4")
    client.sendto(b"four again", _to(lab))
    lab.check("an IPv4 socket goes before it", four.recv(100) == b"four again")
    client6.sendto(b"six", (str(lab.server.ipv6), PORT))
    lab.check("it keeps IPv6", both.recv(100) == b"six")
    lab.check("without SO_REUSEADDR the two are refused", lab.is_refused(f"udp:[::]:{PORT}"))
    lab.serve("udp:[::]:12001,v6only,name=IPv6-only")
    lab.serve("udp:0.0.0.0:12001,name=IPv4-beside")
    lab.check("with V6ONLY they get along without it", len(lab.sockets) == 4)


def bind_everywhere(lab: Lab) -> None:
    """Show that bind('') takes every address of the host, and a socket on one address goes before it."""
    lab.server.run(["ip", "address", "add", "192.0.2.102/24", "dev", lab.server.eth0.name])
    lab.addresses.add("192.0.2.102")
    everywhere = lab.serve(f"udp:0.0.0.0:{PORT},reuseaddr,name=everywhere")
    client = lab.visit("udp")
    for address in (str(lab.server.ipv4), "192.0.2.102"):
        client.sendto(address.encode(), (address, PORT))
    got = {everywhere.recv(100).decode() for _ in range(2)}
    lab.check("both addresses reach the socket that is bound to ''", got == {str(lab.server.ipv4), "192.0.2.102"})
    just_one = lab.serve(f"udp:192.0.2.102:{PORT},reuseaddr,name=just-one")
    client.sendto(b"more", ("192.0.2.102", PORT))
    lab.check("one that is bound to the address goes before it", just_one.recv(100) == b"more")
    lab.check("and it alone gets it", is_empty(everywhere))
