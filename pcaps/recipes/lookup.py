"""A small DNS client: ask a server for the IPv4 addresses of a name and print them, one a line.

    python lookup.py 192.0.2.2 server.example

Spec: RFC 1035 sections 4.1 (messages) and 4.1.4 (compressed names).
"""

from __future__ import annotations

import secrets
import socket
import struct
import sys

PORT = 53
TIMEOUT_S = 5.0
MAX_MESSAGE_LEN = 512  # RFC 1035 4.2.1, over UDP
HEADER = struct.Struct("!HHHHHH")  # identifier, flags, counts of questions, answers, authorities, additionals
RECORD = struct.Struct("!HHIH")  # type, class, time to live in seconds, length of the data
TYPE_A, CLASS_IN = 1, 1
RECURSION_DESIRED = 0x0100
POINTER = 0xC0


def question(identifier: int, name: str) -> bytes:
    """Return the message that asks for the A records of `name`.

    >>> question(0x1234, "a.example").hex(" ")
    '12 34 01 00 00 01 00 00 00 00 00 00 01 61 07 65 78 61 6d 70 6c 65 00 00 01 00 01'
    """
    labels = b"".join(bytes([len(label)]) + label for label in name.encode("ascii").split(b"."))
    header = HEADER.pack(identifier, RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + struct.pack("!xHH", TYPE_A, CLASS_IN)


def after_name(message: bytes, offset: int) -> int:
    r"""Return the offset behind the name at `offset`: it ends with a zero byte or a pointer of two.

    >>> after_name(b"\x01a\x00", 0), after_name(b"\xc0\x0c", 0)
    (3, 2)
    """
    while (length := message[offset]) != 0:
        if length >= POINTER:
            return offset + 2
        offset += 1 + length
    return offset + 1


def addresses(message: bytes) -> list[str]:
    """Return the IPv4 addresses in an answer to one question.

    >>> asked = question(0x1234, "a.example")
    >>> record = bytes.fromhex("c00c 0001 0001 00000000 0004 c0000202")
    >>> addresses(HEADER.pack(0x1234, 0x8580, 1, 1, 0, 0) + asked[HEADER.size:] + record)
    ['192.0.2.2']
    """
    answers = HEADER.unpack_from(message)[3]
    offset = after_name(message, HEADER.size) + 4  # type and class of the question
    found = []
    for _ in range(answers):
        offset = after_name(message, offset)
        kind, _, _, length = RECORD.unpack_from(message, offset)
        offset += RECORD.size
        if kind == TYPE_A:
            found.append(socket.inet_ntoa(message[offset : offset + length]))
        offset += length
    return found


def main(server: str, name: str) -> None:
    """Ask once and print what was answered."""
    identifier = secrets.randbits(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT_S)
        client.connect((server, PORT))
        client.send(question(identifier, name))
        answer = client.recv(MAX_MESSAGE_LEN)
    if HEADER.unpack_from(answer)[0] != identifier:
        sys.exit("this answers another question")
    print(*addresses(answer), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
