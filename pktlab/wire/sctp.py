"""SCTP: the common header, and the chunks behind it.

Its checksum is no Internet checksum but a CRC32c over header and chunks, without a pseudo-header.

Spec: RFC 9260 section 3, appendix A.
"""

from __future__ import annotations

from construct import GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.fields import AUTO, field
from pktlab.wire.fills import crc32c_checksum, padding
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch

__all__ = ["Sctp", "SctpChunk", "SctpData"]

CHUNK_NAMES = {
    0: "DATA", 1: "INIT", 2: "INIT_ACK", 3: "SACK", 4: "HEARTBEAT", 5: "HEARTBEAT_ACK", 6: "ABORT", 7: "SHUTDOWN",
    8: "SHUTDOWN_ACK", 9: "ERROR", 10: "COOKIE_ECHO", 11: "COOKIE_ACK", 12: "ECNE", 13: "CWR", 14: "SHUTDOWN_COMPLETE",
    15: "AUTH", 64: "I_DATA", 128: "ASCONF_ACK", 130: "RE_CONFIG", 132: "PAD", 192: "FORWARD_TSN", 193: "ASCONF",
    194: "I_FORWARD_TSN",
}  # fmt: skip


class SctpData(Header, layer="sctp"):
    """RFC 9260 section 3.3.1."""

    data_tsn_raw: int = field(Int32ub, "Transmission sequence number")
    data_sid: int = field(Int16ub, "Stream identifier", base="hex", default=0)
    data_ssn: int = field(Int16ub, "Stream sequence number", default=0)
    data_payload_proto_id: int = field(Int32ub, "Payload protocol identifier", default=0)
    data: bytes = field(GreedyBytes, "User data", name="", default=b"")


class Init(Header, layer="sctp"):
    """RFC 9260 section 3.3.2."""

    init_initiate_tag: int = field(Int32ub, "Initiate tag", base="hex")
    init_credit: int = field(Int32ub, "Advertised receiver window")
    init_nr_out_streams: int = field(Int16ub, "Number of outbound streams")
    init_nr_in_streams: int = field(Int16ub, "Number of inbound streams")
    init_initial_tsn: int = field(Int32ub, "Initial TSN")
    parameters: bytes = field(GreedyBytes, "Parameters", name="", default=b"")


class InitAck(Header, layer="sctp"):
    """RFC 9260 section 3.3.3."""

    initack_initiate_tag: int = field(Int32ub, "Initiate tag", base="hex")
    initack_credit: int = field(Int32ub, "Advertised receiver window")
    initack_nr_out_streams: int = field(Int16ub, "Number of outbound streams")
    initack_nr_in_streams: int = field(Int16ub, "Number of inbound streams")
    initack_initial_tsn: int = field(Int32ub, "Initial TSN")
    parameters: bytes = field(GreedyBytes, "Parameters", name="", default=b"")


class Sack(Header, layer="sctp"):
    """RFC 9260 section 3.3.4; the blocks are left as they are."""

    sack_cumulative_tsn_ack_raw: int = field(Int32ub, "Cumulative TSN ACK")
    sack_a_rwnd: int = field(Int32ub, "Advertised receiver window")
    sack_number_of_gap_blocks: int = field(Int16ub, "Number of gap blocks", default=0)
    sack_number_of_duplicated_tsns: int = field(Int16ub, "Number of duplicated TSNs", default=0)
    blocks: bytes = field(GreedyBytes, "Gap blocks and duplicated TSNs", name="", default=b"")


class OtherChunk(Header, layer="sctp"):
    """A chunk whose inside has no page here."""

    chunk_value: bytes = field(GreedyBytes, "Chunk value", default=b"")


class SctpChunk(Header, layer="sctp", label="Chunk"):
    """RFC 9260 section 3.2. `chunk_length` counts these 4 bytes and the value, not the padding to a multiple of 4."""

    chunk_type: int = field(Int8ub, "Chunk type", names=CHUNK_NAMES)
    chunk_flags: int = field(Int8ub, "Chunk flags", base="hex", default=0)
    chunk_length: int = field(Int16ub, "Chunk length", min=4, default=AUTO)
    body: Header = field(
        Bounded(
            this.chunk_length - 4,
            Switch(this.chunk_type, {0: SctpData, 1: Init, 2: InitAck, 3: Sack}, default=OtherChunk),
        ),
        name="",
    )
    chunk_padding: bytes = field(
        Bounded((4 - this.chunk_length % 4) % 4, GreedyBytes), "Chunk padding", default=padding(4)
    )

    def summary(self) -> str:
        """Return the chunk's name."""
        return CHUNK_NAMES.get(self.chunk_type, f"chunk {self.chunk_type}")


class Sctp(Header, layer="sctp", label="Stream Control Transmission Protocol"):
    """RFC 9260 section 3.1; chunks follow to the end."""

    srcport: int = field(Int16ub, "Source port")
    dstport: int = field(Int16ub, "Destination port")
    verification_tag: int = field(Int32ub, "Verification tag", base="hex", default=0)
    checksum: int = field(Int32ub, "Checksum", base="hex", default=crc32c_checksum())
    chunks: tuple[SctpChunk, ...] = field(Items(SctpChunk), "Chunks", name="", default=())

    def summary(self) -> str:
        """Return ``SCTP 4711 → 80 [INIT]``."""
        return f"SCTP {self.srcport} → {self.dstport} [{' '.join(chunk.summary() for chunk in self.chunks)}]"
