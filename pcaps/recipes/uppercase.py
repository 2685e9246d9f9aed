"""The uppercase echo of the course notes: a client sends a line in lower case, the server answers in upper.

    python uppercase.py serve udp 0.0.0.0 12000
    python uppercase.py ask udp 192.0.2.2 12000 "hello"

Over UDP a line is a datagram. Over TCP it ends with a newline, since a byte stream has no other borders, and
the client closes first. IPv6 addresses work the same. `ask` prints the answer and ends with status 1 if none
comes.

Source: Kurose and Ross, Computer Networking, section 2.7 (socket programming).
"""

from __future__ import annotations

import socket
import sys

TIMEOUT_S = 5.0
MAX_DATAGRAM_LEN = 65_535
KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


def open_socket(protocol: str, address: str) -> socket.socket:
    """Return a UDP or TCP socket of the IP version that `address` is written in.

    >>> with open_socket("udp", "127.0.0.1") as four:
    ...     four.family.name
    'AF_INET'
    """
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, KINDS[protocol])


def serve_udp(server: socket.socket) -> None:
    """Answer datagrams until the program is ended."""
    while True:
        line, client = server.recvfrom(MAX_DATAGRAM_LEN)
        server.sendto(line.upper(), client)


def serve_tcp(server: socket.socket) -> None:
    """Answer the lines of one client after the other until the program is ended."""
    server.listen()
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(line.upper())


def ask_udp(client: socket.socket, line: str) -> str:
    """Send one datagram and return the answer. Connected, the socket also hears that no one listens there."""
    client.send(line.encode())
    return client.recv(MAX_DATAGRAM_LEN).decode()


def ask_tcp(client: socket.socket, line: str) -> str:
    """Send one line and return the line that comes back."""
    client.sendall(f"{line}\n".encode())
    with client.makefile(encoding="utf-8") as lines:
        return lines.readline().rstrip("\n")


def main(role: str, protocol: str, address: str, port: str, line: str = "") -> None:
    """Be the server or the client."""
    with open_socket(protocol, address) as end:
        if role == "serve":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            end.bind((address, int(port)))
            {"udp": serve_udp, "tcp": serve_tcp}[protocol](end)
        else:
            end.settimeout(TIMEOUT_S)
            end.connect((address, int(port)))
            print({"udp": ask_udp, "tcp": ask_tcp}[protocol](end, line))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (TimeoutError, ConnectionError) as error:
        sys.exit(f"no answer: {error}")
