"""What do BitTorrent programs say, in bytes?

One page each: `peer` (the handshake and the messages between peers) and `framing` (where each message lies in a long
stretch of bytes). A page knows formats, no states: what a message means at that moment is for `pktlab.torrent`.
"""
