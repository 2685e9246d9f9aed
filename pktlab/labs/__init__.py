"""What happens if?

Experiments with real sockets in a sandbox, each with a capture, a picture and checks that can fail. An experiment is a
function that is given a `Lab`; its docstring says what it shows. This folder may import everything below the command
line.
"""

from __future__ import annotations

from collections.abc import Callable

from pktlab.labs import loss, sums, tcp, udp
from pktlab.labs.lab import Lab, Outcome, carry_out, claim_of

__all__ = ["EXPERIMENTS", "Lab", "Outcome", "claim_of", "run_experiment"]

EXPERIMENTS: dict[str, Callable[[Lab], None]] = {
    "sender-multiplexing": udp.sender_multiplexing,
    "client-port": udp.client_port,
    "udp-many-clients": udp.many_clients,
    "udp-connected": udp.connected,
    "udp-reply-from-elsewhere": udp.reply_from_elsewhere,
    "tcp-connection-sockets": tcp.connection_sockets,
    "same-source-port": tcp.same_source_port,
    "closed-ports": tcp.closed_ports,
    "reuseaddr": udp.reuseaddr,
    "reuseport": udp.reuseport,
    "multicast": udp.multicast,
    "dual-stack": udp.dual_stack,
    "backlog": tcp.backlog,
    "before-accept": tcp.before_accept,
    "bind-everywhere": udp.bind_everywhere,
    "round-trips": loss.round_trips,
    "loss-and-order": loss.loss_and_order,
    "equal-sums": sums.equal_sums,
}
"""Every experiment, by the name that people ask for it by."""


def run_experiment(name: str, folder: str | None = None) -> Outcome:
    """Carry out an experiment, with its capture and picture in `folder` or a new one, and return what came of it.

    Raises
    ------
    KeyError : there is none of that name
    PktlabError : the machine allows no sandbox; the message says what would help
    """
    return carry_out(name, EXPERIMENTS[name], folder)
