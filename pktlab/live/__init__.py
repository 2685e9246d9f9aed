"""The only door to the world: how packets get on and off a real network.

Namespaces, sockets, privileges and Scapy live here and nowhere below. This folder may import everything down the
ladder from `pktlab.api`; `pktlab.labs`, `pktlab.testing` and the command line import it. Each module can be
imported on every system: what it needs of Linux it asks for when it is used, and says in one line what is
missing.
"""

from pktlab.live.host import Host, Interface, parse_counters
from pktlab.live.sandbox import Sandbox

__all__ = ["Host", "Interface", "Sandbox", "parse_counters"]
