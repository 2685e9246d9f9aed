"""Experiments with TCP: the listener and the sockets of its connections, closed ports, and queues."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pktlab.labs.lab import Lab, end_of, is_empty
from pktlab.packets import Packet

PORT = 12_000
TCP_ESTABLISHED, TCP_SYN_SENT = 1, 2  # include/net/tcp_states.h


def _to(lab: Lab, port: int = PORT) -> tuple[str, int]:
    return str(lab.server.ipv4), port


def connection_sockets(lab: Lab) -> None:
    """Show that a TCP server has a listener and a socket for each connection, all with one local port."""
    listener = lab.serve(f"tcp:0.0.0.0:{PORT},name=listener")
    clients, children = [], []
    for _ in range(3):
        client = lab.visit("tcp")
        client.connect(_to(lab))
        child, sender = lab.accept(listener)
        clients.append(client)
        children.append((child, sender))
    for number, client in enumerate(clients):
        client.sendall(f"client {number}".encode())
    got = [child.recv(100) for child, _ in children]
    lab.check("each connection's data comes out of its own socket", got == [b"client 0", b"client 1", b"client 2"])
    lab.check("four sockets", len({one.fileno() for one in (listener, *(child for child, _ in children))}) == 4)
    lab.check("one local port", {end_of(child).port for child, _ in children} == {PORT})
    lab.check("three peers", len({sender for _, sender in children}) == 3)
    lab.check(
        "every segment of the server left from it", {one["tcp.srcport"] for one in lab.sent_by_server("tcp")} == {PORT}
    )


def same_source_port(lab: Lab) -> None:
    """Show that two clients with the same source port on different addresses are two connections."""
    second = "192.0.2.101"
    lab.client.run(["ip", "address", "add", f"{second}/24", "dev", lab.client.eth0.name])
    listener = lab.serve(f"tcp:0.0.0.0:{PORT}")
    datagrams = lab.serve(f"udp:0.0.0.0:{PORT}")
    first = str(lab.client.ipv4)
    for address in (first, second):
        client = lab.visit("tcp", address, 5000)
        client.connect(_to(lab))
        client.sendall(address.encode())
        lab.visit("udp", address, 5000).sendto(address.encode(), _to(lab))
    heard = {}
    for _ in range(2):
        child, sender = lab.accept(listener)
        heard[sender] = child.recv(100).decode()
    expected = {(first, 5000): first, (second, 5000): second}
    lab.check("two connections from port 5000, told apart by the address", heard == expected)
    got = {sender: data.decode() for data, sender in (datagrams.recvfrom(100) for _ in range(2))}
    lab.check("UDP has one socket for both, and tells who sent", got == expected)


def closed_ports(lab: Lab) -> None:
    """Show that a closed UDP port is answered by ICMP port unreachable, a closed TCP port by RST."""
    lost, told, stream = lab.visit("udp"), lab.visit("udp"), lab.visit("tcp")
    lost.sendto(b"anybody?", _to(lab, 9))
    told.connect(_to(lab, 9))
    told.send(b"anybody?")
    lab.check("a connected UDP socket is told: connection refused", _is_refused(lambda: told.recv(10)))
    lost.sendto(b"still nobody?", _to(lab, 9))
    lab.check("an unconnected one is not", not _is_refused(lambda: is_empty(lost)))
    lab.check("connect of TCP is refused", _is_refused(lambda: stream.connect(_to(lab, 9))))
    answers = [one for one in lab.sent_by_server("icmp") if (one["icmp.type"], one["icmp.code"]) == (3, 3)]
    quoted = [one.values("udp.dstport") for one in answers]
    lab.check("ICMP port unreachable quotes the datagram", len(answers) >= 2 and all(9 in ports for ports in quoted))
    syn = next(one for one in lab.received("tcp") if one.tcp.flags.syn)
    (reset,) = lab.sent_by_server("tcp")
    lab.check("the answer to the SYN is RST, ACK", _flags(reset) == {"reset", "ack"})
    numbers = (reset["tcp.seq_raw"], reset["tcp.ack_raw"])
    lab.check(
        "with sequence number 0, and acknowledging the SYN", numbers == (0, (syn["tcp.seq_raw"] + 1) & 0xFFFFFFFF)
    )


def backlog(lab: Lab) -> None:
    """Show that listen(n) keeps n+1 connections for accept; further clients stay in SYN_SENT and are counted."""
    length = 2
    listener = lab.serve(f"tcp:0.0.0.0:{PORT},backlog={length}")
    before = _counter(lab, "ListenOverflows")
    clients = [lab.visit("tcp") for _ in range(length + 3)]
    for client in clients[: length + 1]:
        client.connect(_to(lab))
    for client in clients[length + 1 :]:
        client.setblocking(False)
        client.connect_ex(_to(lab))
    states = [_state(client) for client in clients]
    lab.check(f"{length + 1} clients are connected", states[: length + 1] == [TCP_ESTABLISHED] * (length + 1))
    lab.check("the others wait in SYN_SENT", states[length + 1 :] == [TCP_SYN_SENT] * 2)
    lab.check("ListenOverflows counts them", _counter(lab, "ListenOverflows") >= before + 2)
    lab.accept(listener)
    late = clients[length + 1]
    late.settimeout(5)  # the client repeats its SYN after a second
    late.connect_ex(_to(lab))
    late.sendall(b"at last")
    lab.check("after one accept there is room for one more", _state(late) == TCP_ESTABLISHED)


def before_accept(lab: Lab) -> None:
    """Show that a connection's socket is there when the handshake ends; accept takes it off the queue."""
    listener = lab.serve(f"tcp:0.0.0.0:{PORT}")
    client = lab.visit("tcp")
    client.connect(_to(lab))
    client.sendall(b"before accept")
    segments = [one for one in lab.received("tcp") if one.tcp.flags.push]
    acknowledged = {one["tcp.ack_raw"] for one in lab.sent_by_server("tcp")}
    expected = (segments[0]["tcp.seq_raw"] + len(b"before accept")) & 0xFFFFFFFF
    lab.check("data were sent and acknowledged before anybody called accept", expected in acknowledged)
    table = lab.server.run(["cat", "/proc/net/tcp"]).stdout
    lab.check(
        "the kernel lists the connection", f":{PORT:04X} " in table and f":{end_of(client).port:04X} 01 " in table
    )
    child, _ = lab.accept(listener)
    lab.check("accept finds the data waiting", child.recv(100) == b"before accept")
    lab.check("on the listener's port", end_of(child).port == end_of(listener).port)


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except ConnectionRefusedError:
        return True
    return False


def _flags(packet: Packet) -> set[str]:
    return set(packet.tcp.flags.set_names())


def _state(one: socket.socket) -> int:
    """Return the state of a connection: the first byte of TCP_INFO (include/uapi/linux/tcp.h)."""
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]


def _counter(lab: Lab, name: str) -> int:
    """Return a counter of ``/proc/net/netstat`` of the server."""
    lines = lab.server.run(["cat", "/proc/net/netstat"]).stdout.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        if name in names.split():
            return int(values.split()[names.split().index(name)])
    return 0
