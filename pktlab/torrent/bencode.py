"""Bencode under the name that torrents know it by; it is in `pktlab.wire.bencode`, since pages of messages need it."""

from __future__ import annotations

from pktlab.wire.bencode import Lax, Value, decode, encode, read, read_lax

__all__ = ["Lax", "Value", "decode", "encode", "read", "read_lax"]
