"""One connection between two peers: bytes of either way in, events out. No socket, no clock, no file.

Whoever has the bytes drives it. A capture gives it what was put together of a stream, and it is heard from outside::

    connection = PeerConnection()
    for event in events_of_a_stream:                 # Begin, Data, Gap, End of pktlab.flows.streams
        for told in connection.hear(event):          # Message, Violation ... of pktlab.torrent.events
            ...

A peer of our own is one of the two sides, and so is one in virtual time::

    connection = PeerConnection(pieces=80)
    connection.send(0, Handshake(info_hash=..., peer_id=...), now=now)     # queued, and heard as if it came from there
    sock.sendall(connection.data_to_send())
    told = connection.receive(1, sock.recv(65536), now=now)

Way 0 is that of the side that opened the connection. What a side has said stands in ``connection.sides[way]``, see
`Side`: whether it chokes the other, is interested, what it has, what it asked for. States change as messages are told,
in the order in which they could be read; with a capture, that is where it was taken, not at either end.
"""
