"""One socket, as the lookup of a packet sees it, and the notation in which a person writes it down.

    udp:0.0.0.0:53                             bound to a wildcard
    tcp:10.0.0.1:80,peer=10.0.0.9:4711         a connection
    udp:[::]:53,v6only,reuseport,name=dns      options, and what it is to be called

Options: ``peer=ADDRESS:PORT``, ``dev=INTERFACE``, ``reuseaddr``, ``reuseport``, ``v6only``, ``member=GROUP`` (or
``GROUP%INTERFACE``; may be repeated), ``multicast_all=0``, ``backlog=N`` and ``name=TEXT``. A TCP socket without a peer
listens; a backlog of N keeps N+1 connections that nobody has accepted.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple

from pktlab.errors import PktlabError

__all__ = ["Endpoint", "Membership", "Socket", "parse_socket"]

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
FLAGS = ("reuseaddr", "reuseport", "v6only")
OPTIONS = (*FLAGS, "backlog", "dev", "member", "multicast_all", "name", "peer")


class Endpoint(NamedTuple):
    """An address in its usual spelling, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Membership(NamedTuple):
    """A multicast group that a socket joined, and on which interface; on all of them if that is empty."""

    group: str
    dev: str = ""

    def __str__(self) -> str:
        return f"{self.group}%{self.dev}" if self.dev else self.group


@dataclass(frozen=True)
class Socket:
    """A UDP or TCP socket with a local port.

    protocol : ``"udp"`` or ``"tcp"``; local : what it is bound to; peer : what it is connected to
    dev : the only interface that it listens on; groups : multicast groups that it joined; multicast_all : whether it
    takes packets for groups that others on the host joined (``IP_MULTICAST_ALL``)
    backlog : what a listener gave to `listen`; None if that is not known, or it is no listener
    name : what it is called; its notation, where nobody gave it a name

    >>> Socket("udp", Endpoint("0.0.0.0", 53)).takes(6), Socket("udp", Endpoint("::", 53)).takes(4)
    (False, True)
    """

    protocol: str
    local: Endpoint
    peer: Endpoint | None = None
    dev: str = ""
    reuseaddr: bool = False
    reuseport: bool = False
    v6only: bool = False
    groups: frozenset[Membership] = frozenset()
    multicast_all: bool = True
    backlog: int | None = None
    name: str = ""

    @property
    def family(self) -> int:
        """4 or 6: the family that it was made with."""
        return 6 if ":" in self.local.address else 4

    @property
    def is_wildcard(self) -> bool:
        """Whether it is bound to every address."""
        return self.local.address in ("0.0.0.0", "::")

    @property
    def is_listening(self) -> bool:
        """Whether it is a TCP socket that waits for connections."""
        return self.protocol == "tcp" and self.peer is None

    @property
    def address(self) -> str:
        """The address that it is bound to, a mapped one as IPv4; empty for a wildcard of either family."""
        return "" if self.is_wildcard else unmapped(self.local.address)

    def takes(self, version: int) -> bool:
        """Tell whether packets of that IP version can reach it.

        A specific IPv6 address takes IPv6 alone, a mapped one IPv4 alone, and ``::`` both unless it is `v6only`.
        """
        if self.family == 4:
            return version == 4
        if self.is_wildcard:
            return version == 6 or not self.v6only
        return (version == 4) == (":" not in self.address)

    def __str__(self) -> str:
        """Return the notation; `parse_socket` reads it again."""
        words = [f"{self.protocol}:{self.local}"]
        words += [f"peer={self.peer}"] if self.peer else []
        words += [f"dev={self.dev}"] if self.dev else []
        words += [word for word in FLAGS if getattr(self, word)]
        words += [f"member={one}" for one in sorted(self.groups)]
        words += [] if self.multicast_all else ["multicast_all=0"]
        words += [] if self.backlog is None else [f"backlog={self.backlog}"]
        return ",".join(words)


def unmapped(address: str) -> str:
    """Return an IPv4-mapped IPv6 address as IPv4, any other as it is.

    >>> unmapped("::ffff:10.0.0.1"), unmapped("2001:db8::1")
    ('10.0.0.1', '2001:db8::1')
    """
    if not address.startswith("::ffff:"):
        return address
    mapped = ipaddress.IPv6Address(address).ipv4_mapped
    return address if mapped is None else str(mapped)


def parse_socket(text: str) -> Socket:
    """Return the socket that `text` describes.

    Raises
    ------
    PktlabError : it does not read; the message says which part of it

    >>> print(parse_socket("tcp:10.0.0.1:80,peer=10.0.0.9:4711").peer)
    10.0.0.9:4711
    >>> parse_socket("udp:[::]:53,v6only,name=dns").name
    'dns'
    >>> parse_socket("udp:10.0.0.1:53,reuseprt")
    Traceback (most recent call last):
        ...
    pktlab.errors.PktlabError: socket 'udp:10.0.0.1:53,reuseprt': there is no option 'reuseprt', did you mean reuseport?
    """
    place, *words = text.split(",")
    protocol, _, end = place.partition(":")
    if protocol not in ("udp", "tcp"):
        raise _wrong(text, f"it starts with udp: or tcp:, not {protocol!r}")
    local = _endpoint(text, end)
    flags: set[str] = set()
    given: dict[str, str] = {}
    groups: set[Membership] = set()
    for word in words:
        name, has_value, value = word.partition("=")
        _check_option(text, name, bool(has_value))
        if name == "member":
            groups.add(_membership(text, value))
        elif name in FLAGS:
            flags.add(name)
        else:
            given[name] = value
    peer = _endpoint(text, given["peer"]) if "peer" in given else None
    made = Socket(
        protocol, local, peer, given.get("dev", ""), **dict.fromkeys(flags, True),
        groups=frozenset(groups), multicast_all=given.get("multicast_all", "1") != "0",
        backlog=_backlog(text, given["backlog"]) if "backlog" in given else None, name=given.get("name", ""),
    )  # fmt: skip
    _check_fit(text, made)
    return made


def _wrong(text: str, why: str) -> PktlabError:
    return PktlabError(f"socket {text!r}: {why}")


def _check_option(text: str, name: str, has_value: bool) -> None:
    if name not in OPTIONS:
        near = difflib.get_close_matches(name, OPTIONS, 1)
        hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(OPTIONS)}"
        raise _wrong(text, f"there is no option {name!r}{hint}")
    if has_value == (name in FLAGS):
        raise _wrong(text, f"{name} takes {'no' if name in FLAGS else 'a'} value")


def _check_fit(text: str, made: Socket) -> None:
    if made.v6only and made.family == 4:
        raise _wrong(text, "v6only is for IPv6 sockets")
    if made.backlog is not None and not made.is_listening:
        raise _wrong(text, "a backlog is for TCP sockets that listen")
    if made.peer is not None and (":" in made.peer.address) != (made.family == 6):
        raise _wrong(text, f"{made.local.address} and {made.peer.address} are of different IP versions")


def _backlog(text: str, value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value):
        raise _wrong(text, f"backlog {value!r} is not a number from 0")
    return int(value)


def _endpoint(text: str, end: str) -> Endpoint:
    """Return ADDRESS:PORT, an IPv6 address in brackets; ``*`` stands for 0.0.0.0."""
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})", end)
    if found is None:
        raise _wrong(text, f"{end!r} is not ADDRESS:PORT (an IPv6 address goes in brackets: [::]:53)")
    v6, v4, port = found.groups()
    if not 0 <= int(port) <= 0xFFFF:
        raise _wrong(text, f"port {port} is over 65535")
    return Endpoint(_address(text, v6 if v6 is not None else {"*": "0.0.0.0"}.get(v4, v4), v6 is not None), int(port))


def _address(text: str, address: str, is_v6: bool) -> str:
    """Return an address in the spelling that packets have."""
    try:
        if not is_v6:
            return str(ipaddress.IPv4Address(address))
        made = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        raise _wrong(text, f"{address!r} is no IPv{6 if is_v6 else 4} address") from None
    return f"::ffff:{made.ipv4_mapped}" if made in MAPPED else str(made)


def _membership(text: str, value: str) -> Membership:
    group, _, dev = value.partition("%")
    address = _address(text, group, ":" in group)
    if not ipaddress.ip_address(address).is_multicast:
        raise _wrong(text, f"{group} is no multicast group")
    return Membership(address, dev)
