"""What do BitTorrent peers say and decide?

What a torrent is (`metainfo`: files, pieces, hashes; `magnet`), and the rules that peers share (`canonical`). The bytes
of messages are below, in `pktlab.wire.apps.bittorrent`, where `dissect` reads them too; bencode, which they need, is in
`pktlab.wire.bencode` and has its names here.

Sans I/O: no socket, file, clock or dice. Imports `api` and what is below it, never `live` or `streaming`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pktlab.lazy import lazy_names

if TYPE_CHECKING:
    from pktlab.torrent.bencode import Value, decode, encode, read, read_lax
    from pktlab.torrent.canonical import allowed_fast, crc32c, node_id_fits, node_id_prefix, peer_priority
    from pktlab.torrent.magnet import Magnet, parse_magnet
    from pktlab.torrent.merkle import merkle_root
    from pktlab.torrent.metainfo import File, Metainfo, parse_info, parse_metainfo

_HOME = {
    "bencode": ("Value", "decode", "encode", "read", "read_lax"),
    "canonical": ("allowed_fast", "crc32c", "node_id_fits", "node_id_prefix", "peer_priority"),
    "magnet": ("Magnet", "parse_magnet"),
    "merkle": ("merkle_root",),
    "metainfo": ("File", "Metainfo", "parse_info", "parse_metainfo"),
}

__all__ = [
    "File",
    "Magnet",
    "Metainfo",
    "Value",
    "allowed_fast",
    "crc32c",
    "decode",
    "encode",
    "merkle_root",
    "node_id_fits",
    "node_id_prefix",
    "parse_info",
    "parse_magnet",
    "parse_metainfo",
    "peer_priority",
    "read",
    "read_lax",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
