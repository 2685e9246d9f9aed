"""How does a program with sockets look that keeps working when the network does not?

The four programs of every first lecture on sockets: a client sends a line, a server answers with the same line in
capitals, over UDP and over TCP. `core` is what they know of text and of time, without a socket; `servers` and `clients`
drive it with real ones; `trace` shows their system calls and the packets on one time line.
"""

from pktlab.live.echo.clients import ask_tcp, ask_udp
from pktlab.live.echo.core import PORT
from pktlab.live.echo.servers import Server, tcp_server, udp_server
from pktlab.live.echo.trace import Trace

__all__ = ["PORT", "Server", "Trace", "ask_tcp", "ask_udp", "tcp_server", "udp_server"]
