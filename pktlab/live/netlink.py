"""Interfaces, addresses, routes, neighbours and sockets, as the kernel has them: asked of the caller's namespace.

Nothing is sent to a network, and nothing is changed.

Spec: RFC 3549; rtnetlink(7), sock_diag(7), and Linux ``include/uapi/linux/{rtnetlink,if_link,neighbour}.h``.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from pktlab.errors import PktlabError

__all__ = ["GET_ADDRESS", "GET_LINK", "GET_NEIGHBOUR", "GET_ROUTE", "SOCK_DIAG", "Answer", "ask", "attributes"]

GET_LINK, GET_ADDRESS, GET_ROUTE, GET_NEIGHBOUR = 18, 22, 26, 30
ROUTE, SOCK_DIAG = 0, 4
"""Whom in the kernel to ask (include/uapi/linux/netlink.h): for the network's configuration, and for sockets."""
REQUEST, DUMP = 0x001, 0x300
ERROR, DONE = 2, 3
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
ATTRIBUTE = struct.Struct("=HH")  # length with this header, type
NESTED = 0xC000  # bits of a type that are no part of it
MOST_LEN = 1 << 16
TIMEOUT_S = 5.0

Answer = tuple[bytes, dict[int, bytes]]
"""The fixed part of a message, and its attributes."""


def ask(
    kind: int, fixed: bytes, given: dict[int, bytes] | None = None, *, dump: bool = False, of: int = ROUTE,
    answer_len: int | None = None,
) -> list[Answer]:  # fmt: skip
    """Return what the kernel answers.

    Parameters
    ----------
    kind : what is asked for; fixed : its fixed part; given : its attributes
    dump : all there are, not one
    of : whom in the kernel
    answer_len : bytes of the fixed part of an answer; as many as that of the question has, if not given

    Raises
    ------
    OSError : the kernel refuses, or there is none of what is asked for
    PktlabError : the system has no rtnetlink
    """
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise PktlabError("interfaces and routes are asked for over Linux's rtnetlink, which this system has not")
    body = fixed + b"".join(map(_attribute, *zip(*given.items(), strict=True)) if given else ())
    message = HEADER.pack(HEADER.size + len(body), kind, REQUEST | (DUMP if dump else 0), 1, 0) + body
    with socket.socket(family, socket.SOCK_RAW, of) as asked:
        asked.settimeout(TIMEOUT_S)
        asked.bind((0, 0))
        asked.send(message)
        answers: list[Answer] = []
        while not _take(asked.recv(MOST_LEN), answer_len or len(fixed), answers, dump):
            pass
    return answers


def _attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _take(data: bytes, fixed_len: int, answers: list[Answer], dump: bool) -> bool:
    """Add the messages of a datagram to `answers`; tell whether the last has come."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        body = data[at + HEADER.size : at + length]
        if kind == ERROR:
            code = -struct.unpack_from("=i", body)[0]
            if code:
                raise OSError(code, os.strerror(code))
        if kind in (ERROR, DONE):
            return True
        answers.append((body[:fixed_len], dict(attributes(body[fixed_len:]))))
        at += max(length + -length % 4, HEADER.size)
    return not dump


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    r"""Yield the attributes in `data`: type and value.

    >>> dict(attributes(b"\x06\0\x01\0ab\0\0\x05\0\x02\0c"))
    {1: b'ab', 2: b'c'}
    """
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            return
        yield kind & ~NESTED, data[at + ATTRIBUTE.size : at + length]
        at += length + -length % 4
