"""STP: what bridges tell each other to make a tree of their links. Behind LLC 0x42, or Cisco's SNAP for PVST+.

Times lie in units of 1/256 s; as Wireshark shows them in seconds, the whole seconds are the field.

Spec: IEEE 802.1D clause 9.3.
"""

from __future__ import annotations

from construct import Bytes, Int8ub, Int16ub, Int32ub, Pass, this

from pktlab.wire.fields import bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Switch
from pktlab.wire.values import MAC

__all__ = ["Configuration", "RapidConfiguration", "Stp"]

TYPE_NAMES = {0x00: "Configuration", 0x02: "Rapid/Multiple Spanning Tree", 0x80: "Topology Change Notification"}


class Configuration(Header, layer="stp", label="Configuration BPDU"):
    """IEEE 802.1D clause 9.3.1. Priorities count in steps of 4096; the low bits are the VLAN."""

    flags: int = field(Int8ub, "Flags", base="hex", default=0)
    flags_tcack: bool = bits(flags, 0x80, "Topology Change Acknowledgment", as_=bool, name="flags.tcack", default=None)
    flags_agreement: bool = bits(flags, 0x40, "Agreement", as_=bool, name="flags.agreement", default=None)
    flags_forwarding: bool = bits(flags, 0x20, "Forwarding", as_=bool, name="flags.forwarding", default=None)
    flags_learning: bool = bits(flags, 0x10, "Learning", as_=bool, name="flags.learning", default=None)
    flags_port_role: int = bits(flags, 0x0C, "Port Role", name="flags.port_role", default=None)
    flags_proposal: bool = bits(flags, 0x02, "Proposal", as_=bool, name="flags.proposal", default=None)
    flags_tc: bool = bits(flags, 0x01, "Topology Change", as_=bool, name="flags.tc", default=None)
    _root = field(Int16ub)
    root_prio: int = bits(_root, 0xF000, "Root Bridge Priority", scale=4096, name="root.prio", default=32768)
    root_ext: int = bits(_root, 0x0FFF, "Root Bridge System ID Extension", name="root.ext", default=0)
    root_hw: str = field(Bytes(6), "Root Bridge System ID", as_=MAC, name="root.hw")
    root_cost: int = field(Int32ub, "Root Path Cost", name="root.cost", default=0)
    _bridge = field(Int16ub)
    bridge_prio: int = bits(_bridge, 0xF000, "Bridge Priority", scale=4096, name="bridge.prio", default=32768)
    bridge_ext: int = bits(_bridge, 0x0FFF, "Bridge System ID Extension", name="bridge.ext", default=0)
    bridge_hw: str = field(Bytes(6), "Bridge System ID", as_=MAC, name="bridge.hw")
    port: int = field(Int16ub, "Port identifier", base="hex")
    _msg_age = field(Int16ub)
    msg_age: int = bits(_msg_age, 0xFF00, "Message Age, s", default=0)
    _msg_age_rest = bits(_msg_age, 0x00FF, default=0, name="")
    _max_age = field(Int16ub)
    max_age: int = bits(_max_age, 0xFF00, "Max Age, s", default=20)
    _max_age_rest = bits(_max_age, 0x00FF, default=0, name="")
    _hello = field(Int16ub)
    hello: int = bits(_hello, 0xFF00, "Hello Time, s", default=2)
    _hello_rest = bits(_hello, 0x00FF, default=0, name="")
    _forward = field(Int16ub)
    forward: int = bits(_forward, 0xFF00, "Forward Delay, s", default=15)
    _forward_rest = bits(_forward, 0x00FF, default=0, name="")


class RapidConfiguration(Header, layer="stp", label="Rapid BPDU"):
    """IEEE 802.1D clause 9.3.3: the same and one octet; what multiple spanning trees add stays data."""

    configuration: Configuration = field(Configuration, name="")
    version_1_length: int = field(Int8ub, "Version 1 Length", default=0)


class Stp(Header, layer="stp", label="Spanning Tree Protocol"):
    """A bridge protocol data unit."""

    protocol: int = field(Int16ub, "Protocol Identifier", base="hex", default=0)
    version: int = field(Int8ub, "Protocol Version", default=0)
    type: int = field(Int8ub, "BPDU Type", base="hex", names=TYPE_NAMES)
    body: Header | None = field(
        Switch(this.type, {0: Configuration, 2: RapidConfiguration}, default=Pass), name="", default=None
    )

    def summary(self) -> str:
        """Return ``STP Configuration root 32768/1/02:00:00:00:00:01 cost 4 port 0x8001``."""
        name = f"STP {TYPE_NAMES.get(self.type, f'type {self.type:#04x}')}"
        body = self.body.configuration if isinstance(self.body, RapidConfiguration) else self.body
        if not isinstance(body, Configuration):
            return name
        root = f"{body.root_prio}/{body.root_ext}/{body.root_hw}"
        return f"{name} root {root} cost {body.root_cost} port {body.port:#06x}"
