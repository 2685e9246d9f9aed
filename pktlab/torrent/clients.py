"""Which program a peer runs, as far as its peer id says.

Spec: BEP 20: Azureus' style is ``-XXvvvv-`` with two letters for the program, Shadow's one letter and a version that is
filled up with hyphens. aria2 and the first client, Mainline, have styles of their own. A peer id is what a program says
of itself, no proof.
"""

from __future__ import annotations

import re

__all__ = ["client_of"]

AZUREUS = {
    b"AZ": "Vuze", b"BC": "BitComet", b"BI": "BiglyBT", b"BT": "BitTorrent", b"CD": "CTorrent", b"DE": "Deluge",
    b"FD": "Free Download Manager", b"KG": "KGet", b"KT": "KTorrent", b"LT": "libtorrent", b"lt": "libTorrent",
    b"PI": "PicoTorrent", b"qB": "qBittorrent", b"RQ": "rqbit", b"rq": "rqbit", b"SD": "Thunder", b"TR": "Transmission",
    b"TX": "Tixati", b"UT": "µTorrent", b"UM": "µTorrent Mac", b"UW": "µTorrent Web", b"WW": "WebTorrent",
    b"WD": "WebTorrent Desktop", b"XL": "Xunlei", b"XF": "Xfplay", b"XX": "Xtorrent", b"GT": "GetTorrent",
}  # fmt: skip
"""Programs by the two letters of Azureus' style: those of the BEP that are still met, and newer ones."""
SHADOW = {
    b"A": "ABC", b"O": "Osprey Permaseed", b"Q": "BTQueue", b"R": "Tribler", b"S": "Shadow", b"T": "BitTornado",
    b"U": "UPnP NAT Bit Torrent",
}  # fmt: skip
_AZUREUS = re.compile(rb"-([A-Za-z~]{2})([0-9A-Za-z.]{4})-", re.ASCII)
_ARIA2 = re.compile(rb"A2-(\d+)-(\d+)-(\d+)-")
_MAINLINE = re.compile(rb"M(\d+)-(\d+)-(\d+)-")
_SHADOW = re.compile(rb"([AOQRSTU])([0-9A-Za-z.]{1,5})-{1,4}")


def client_of(peer_id: bytes) -> str:
    """Return the program and its version; an empty text if the peer id tells nothing.

    Parameters
    ----------
    peer_id : 20 bytes

    >>> [client_of(one.ljust(20, b"x")) for one in (b"-LT2110-", b"-TR3000-", b"A2-1-36-0-", b"-lt0D80-", b"T03I-----")]
    ['libtorrent 2.1.1', 'Transmission 3.00', 'aria2 1.36.0', 'libTorrent 0.13.8', 'BitTornado 0.3.18']
    """
    if found := _AZUREUS.match(peer_id):
        return _azureus(found[1], found[2].decode("ascii"))
    for pattern, name in ((_ARIA2, "aria2"), (_MAINLINE, "Mainline")):
        if found := pattern.match(peer_id):
            return f"{name} {'.'.join(number.decode('ascii') for number in found.groups())}"
    if found := _SHADOW.match(peer_id):
        return f"{SHADOW[found[1]]} {_dotted(found[2].decode('ascii'))}"
    return ""


def _azureus(code: bytes, version: str) -> str:
    name = AZUREUS.get(code, code.decode("ascii"))
    if code == b"TR" and version[0] < "4":  # up to 3.00 two digits belong to the second number
        return f"{name} {version[0]}.{version[1:3]}"
    digits = version
    while len(digits) > 2 and digits.endswith("0"):
        digits = digits[:-1]
    return f"{name} {_dotted(digits)}"


def _dotted(digits: str) -> str:
    """Return a version with a dot between its parts, of which letters mean 10 and more.

    >>> _dotted("0D8")
    '0.13.8'
    """
    values = [
        int(one, 36) if one.isdigit() or one.isupper() else ord(one) - ord("a") + 36 for one in digits if one != "."
    ]
    return ".".join(map(str, values))
