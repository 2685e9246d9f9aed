"""The connections of a listener that no program has taken yet: the accept queue.

``listen(n)`` keeps n+1 of them; a SYN or a last segment of a handshake that would lead to one more is dropped without
an answer, and the client, which knows nothing of it, sends it again. A connection that is reset before it is taken
stays in the queue. Linux bounds n by ``net.core.somaxconn``.

Spec: listen(2); sk_acceptq_is_full of Linux 6.18 (include/net/sock.h).
"""

from __future__ import annotations

from collections import deque

from pktlab.flows.sockets import Socket

__all__ = ["AcceptQueues"]


class AcceptQueues:
    """Names of connections that wait, by the name of their listener; only of listeners whose backlog is known.

    >>> from pktlab.flows.sockets import parse_socket
    >>> queues, listener = AcceptQueues(), parse_socket("tcp:0.0.0.0:80,backlog=0,name=web")
    >>> queues.put(listener, "first"), queues.is_full(listener), queues.take(listener), queues.is_full(listener)
    (None, True, 'first', False)
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[str]] = {}

    def is_full(self, listener: Socket) -> bool:
        """Tell whether no further connection can be made with a listener."""
        return listener.backlog is not None and len(self._waiting.get(listener.name, ())) > listener.backlog

    def put(self, listener: Socket, child: str) -> None:
        """Let a new connection wait."""
        if listener.backlog is not None:
            self._waiting.setdefault(listener.name, deque()).append(child)

    def take(self, listener: Socket) -> str:
        """Return the connection that waits longest, and let it wait no more; empty if there is none."""
        waiting = self._waiting.get(listener.name)
        return waiting.popleft() if waiting else ""

    def took(self, child: str) -> None:
        """Note that a program has a connection: then it has all that came before it, too."""
        for waiting in self._waiting.values():
            if child in waiting:
                while waiting.popleft() != child:
                    pass
                return

    def close(self, listener: str) -> list[str]:
        """Return what waits at a listener that is closed: Linux resets it."""
        return list(self._waiting.pop(listener, ()))
