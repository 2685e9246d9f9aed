"""Which socket gets each packet of a capture?

`Demuxed` shows packets to a `ReceivingHost` and adds up what came of them; `svg`, `png` and `tree` draw it: the
clients, the server's sockets, and each flow's four-tuple between them. Pure but for the capture that it reads.
"""

from pktlab.demuxing.png import check_png, png
from pktlab.demuxing.svg import svg
from pktlab.demuxing.tally import Demuxed, FlowTally, SocketTally, packet_document
from pktlab.demuxing.tree import tree

__all__ = ["Demuxed", "FlowTally", "SocketTally", "check_png", "packet_document", "png", "svg", "tree"]
