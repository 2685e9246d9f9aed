"""What do BitTorrent peers say and decide?

Sans I/O: bytes, `now` and `rng` are arguments, events come back. What analyses a capture's swarm is what runs a peer.
"""
