"""What does the payload say, in a line?

Application protocols, one file each. Their names are Wireshark's too. Three rules hold here:

- A port is a hint, never a proof. A header class says in `looks_like` what else has to hold, and what does not read as
  the protocol stays `data`: no port makes a packet malformed. The tables of ports and of first bytes are in
  `pktlab.wire.packet`.
- One packet is read, not a stream: of a TCP segment, what stands in it. What is cut off by the end of the segment is
  not an error; a segment that starts in the middle of a message is `data`.
- RTP and RTCP have no port and too few fixed bits to be told from noise: they are read where the user binds them,
  ``protocols={"udp.port=5004": Rtp}``.

Imports what `pktlab.wire` has below `packet`, and nothing else of pktlab.
"""
