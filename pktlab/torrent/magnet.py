"""Magnet links: the name of a torrent in a line, and where to ask for the rest.

Spec: BEP 9; BEP 52 (btmh); BEP 53 (which files). The hash of version 1 is 40 digits of hex or 32 of base 32, that of
version 2 a multihash in hex: 12 and 20 (SHA-256, 32 octets) in front of it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from pktlab.errors import Malformed

__all__ = ["LENGTH_MAX", "Magnet", "parse_magnet"]

SCHEME = "magnet:?"
LENGTH_MAX = 1 << 16
"""Characters of the longest link that is read."""
_MULTIHASH = "1220"


@dataclass(frozen=True)
class Magnet:
    """What a link says.

    info_hash_v1 : 20 octets or None; info_hash_v2 : 32 or None; one of them is there
    name : to be shown until the torrent's own is known
    trackers, web_seeds : addresses; peers : ``host:port``
    select : the files that are wanted, first and last numbers; all of them if empty
    """

    info_hash_v1: bytes | None = None
    info_hash_v2: bytes | None = None
    name: str = ""
    trackers: tuple[str, ...] = ()
    web_seeds: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    select: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        """Return the link."""
        hashes = [f"xt=urn:btih:{self.info_hash_v1.hex()}"] if self.info_hash_v1 else []
        hashes += [f"xt=urn:btmh:{_MULTIHASH}{self.info_hash_v2.hex()}"] if self.info_hash_v2 else []
        parts = [("dn", [self.name] * bool(self.name)), ("tr", self.trackers), ("ws", self.web_seeds)]
        more = [f"{key}={quote(value, safe='')}" for key, values in parts for value in values]
        more += [f"x.pe={peer}" for peer in self.peers]
        chosen = ",".join(str(low) if low == high else f"{low}-{high}" for low, high in self.select)
        return SCHEME + "&".join([*hashes, *more, *([f"so={chosen}"] * bool(chosen))])


def parse_magnet(link: str) -> Magnet:
    """Return what a magnet link says.

    Raises
    ------
    Malformed : it is none, names no torrent, or two

    >>> parse_magnet("magnet:?xt=urn:btih:AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT&dn=a%20file").name
    'a file'
    >>> print(parse_magnet("magnet:?xt=urn:btih:AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"))
    magnet:?xt=urn:btih:000102030405060708090a0b0c0d0e0f10111213
    """
    if not link[: len(SCHEME)].lower() == SCHEME:
        raise Malformed("magnet", 0, "magnet", link[:40], "does not start with magnet:?")
    if len(link) > LENGTH_MAX:
        raise Malformed("magnet", 0, "magnet", link[:40], f"is over {LENGTH_MAX} characters long")
    found: dict[str, list[str]] = {}
    hashes: dict[str, bytes] = {}
    at = len(SCHEME)
    for part in link[at:].split("&"):
        key, _, value = part.partition("=")
        key = re.sub(r"\.\d+$", "", key.lower())
        text = unquote_to_bytes(value.encode("utf-8", "backslashreplace")).decode("utf-8", "backslashreplace")
        if key == "xt":
            _take_hash(text, at, hashes)
        found.setdefault(key, []).append(text)
        at += len(part) + 1
    if not hashes:
        raise Malformed("magnet", 0, "magnet.xt", link[:40], "names no torrent by btih or btmh")
    return Magnet(
        hashes.get("btih"), hashes.get("btmh"), next(iter(found.get("dn", ())), ""), tuple(found.get("tr", ())),
        tuple(found.get("ws", ())), tuple(found.get("x.pe", ())), _selected(found.get("so", [])),
    )  # fmt: skip


def _take_hash(text: str, at: int, hashes: dict[str, bytes]) -> None:
    """Put the hash of an exact topic into `hashes`; topics of other kinds are passed over."""
    scheme, _, digits = text.partition("urn:")[2].partition(":")
    scheme = scheme.lower()
    if scheme not in ("btih", "btmh"):
        return
    octets = _hex(digits, 40) or _base32(digits) if scheme == "btih" else _hex(digits.removeprefix(_MULTIHASH), 64)
    if not octets or (scheme == "btmh" and not digits.startswith(_MULTIHASH)):
        raise Malformed("magnet", at, f"magnet.xt.{scheme}", digits[:80], "is no hash")
    if hashes.setdefault(scheme, octets) != octets:
        raise Malformed("magnet", at, f"magnet.xt.{scheme}", digits[:80], "is a second torrent")


def _hex(digits: str, count: int) -> bytes:
    return bytes.fromhex(digits) if re.fullmatch(f"[0-9A-Fa-f]{{{count}}}", digits) else b""


def _base32(digits: str) -> bytes:
    try:
        return base64.b32decode(digits.upper()) if len(digits) == 32 else b""
    except (binascii.Error, ValueError):
        return b""


def _selected(texts: list[str]) -> tuple[tuple[int, int], ...]:
    """Return the ranges of files that are wanted; what is none is passed over."""
    ranges = [re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", one, re.ASCII) for text in texts for one in text.split(",")]
    found = [(int(one[1]), int(one[2] or one[1])) for one in ranges if one]
    return tuple((low, high) for low, high in found if low <= high)
