"""What an experiment is given: two hosts, real sockets, what the server saw, and a place for claims and checks."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path

from pktlab.capture import open_writer
from pktlab.demuxing import Demuxed, svg
from pktlab.flows.demux import SocketTable
from pktlab.flows.receiving import ReceivingHost
from pktlab.flows.sockets import Endpoint, Socket, parse_socket
from pktlab.live.inside import inside
from pktlab.live.kernel_sockets import FAMILIES, open_socket
from pktlab.live.recorder import Recorder
from pktlab.live.sandbox import Sandbox
from pktlab.packets import Packet

__all__ = ["PATIENCE_S", "Check", "Lab", "Outcome", "carry_out", "claim_of", "end_of", "is_empty"]

PATIENCE_S = 3.0
"""How long a socket waits for what has to come; only a failed check waits so long."""
KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


@dataclass(frozen=True)
class Check:
    """A sentence, and whether it held."""

    text: str
    holds: bool


@dataclass
class Outcome:
    """What came of an experiment: the checks, and the files that were written."""

    name: str
    claim: str
    checks: list[Check] = field(default_factory=list)
    capture: Path | None = None
    picture: Path | None = None

    @property
    def holds(self) -> bool:
        """Whether every check held, and there was one."""
        return bool(self.checks) and all(check.holds for check in self.checks)


class Lab:
    """Two hosts, ``client`` at 192.0.2.1 and ``server`` at 192.0.2.2, and the sockets that are opened on them."""

    def __init__(self, box: Sandbox, recorder: Recorder, stack: ExitStack) -> None:
        self.client, self.server = box["client"], box["server"]
        self.stack = stack
        self.checks: list[Check] = []
        self.table = SocketTable(networks=("192.0.2.0/24",))
        """The server's sockets as the model of the lookup knows them; filled when the picture is drawn."""
        self.sockets: list[Socket] = []
        """Those of the server, in the order in which they were bound."""
        self._events: list[tuple[int, Callable[[], object]]] = []  # behind so many packets, this happened to the table
        self._opened: dict[socket.socket, Socket] = {}
        self.addresses = {str(self.server.ipv4), str(self.server.ipv6), "198.51.100.2"}
        """Of the server; the last is that of its interface to a link."""
        self._recorder = recorder

    def check(self, text: str, holds: bool) -> None:
        """Write down a claim, and whether it held."""
        self.checks.append(Check(text, bool(holds)))

    def serve(self, text: str) -> socket.socket:
        """Open a socket of the server, written as for `pktlab demux --socket`; OSError if the kernel refuses it."""
        wanted = parse_socket(text)
        made = self.stack.enter_context(open_socket(self.server, wanted))
        made.settimeout(PATIENCE_S)
        if wanted.peer is not None:
            made.connect(wanted.peer)
        self.sockets.append(wanted)
        self._opened[made] = wanted
        self._happened(lambda: self.table.add(wanted))
        return made

    def shut(self, one: socket.socket) -> None:
        """Close a socket that `serve` returned."""
        one.close()
        name = self._opened[one].name or str(self._opened[one])
        self._happened(lambda: self.table.remove(self.table.named(name)))

    def accept(self, listener: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        """Take a connection of a listener that `serve` returned; it is closed with the experiment."""
        child, sender = listener.accept()
        self.stack.enter_context(child)
        name = self._opened[listener].name or str(self._opened[listener])
        self._happened(lambda: self.table.take(self.table.named(name)))
        return child, sender

    def _happened(self, event: Callable[[], object]) -> None:
        """Note what a program did, behind the packets that the server had seen by then."""
        self._events.append((len(self._recorder.records()), event))

    def replayed(self, packets: list[Packet]) -> Iterator[Packet]:
        """Yield packets, and let what the programs did happen to `table` between them."""
        events = iter(self._events)
        after, event = next(events, (None, None))
        for number, packet in enumerate(packets):
            while event is not None and after is not None and after <= number:
                event()
                after, event = next(events, (None, None))
            yield packet

    def is_refused(self, text: str) -> bool:
        """Tell whether the kernel refuses a socket of the server because its place is taken."""
        try:
            self.serve(text)
        except OSError:
            return True
        return False

    def visit(self, protocol: str, address: str = "", port: int = 0, *, family: int = 4) -> socket.socket:
        """Open a socket of the client; it is bound only if an address or a port is given."""
        made = self.stack.enter_context(inside(self.client, socket.socket, FAMILIES[family], KINDS[protocol]))
        made.settimeout(PATIENCE_S)
        if address or port:
            made.bind((address, port))
        return made

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> None:
        """Wait for what another thread does; TimeoutError if it has not come after 3 s."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("what was waited for did not come")
            time.sleep(0.001)

    def packets(self) -> list[Packet]:
        """Return what the server has sent and received so far."""
        return [Packet(record, record.link_type) for record in self._recorder.records()]

    def sent_by_server(self, *protocols: str) -> list[Packet]:
        """Return the packets with one of these layers that the server sent."""
        return [
            one for one in self.packets() if _source(one) in self.addresses and any(name in one for name in protocols)
        ]

    def received(self, *protocols: str) -> list[Packet]:
        """Return the packets with one of these layers that the server received."""
        sent = {one.number for one in self.sent_by_server(*protocols)}
        return [one for one in self.packets() if one.number not in sent and any(name in one for name in protocols)]


def _source(packet: Packet) -> str:
    return str(packet.get("ip.src") or packet.get("ipv6.src") or "")


def is_empty(one: socket.socket) -> bool:
    """Tell whether nothing waits in a socket; it is used when what was sent later has arrived elsewhere."""
    one.setblocking(False)
    try:
        one.recv(1)
    except BlockingIOError:
        return True
    finally:
        one.settimeout(PATIENCE_S)
    return False


def carry_out(name: str, experiment: Callable[[Lab], None], folder: str | None = None) -> Outcome:
    """Run an experiment in a sandbox of its own; write ``NAME.pcapng`` and ``NAME.svg`` into `folder`.

    Without a folder a new one is made, once there is something to write: one that is broken off leaves nothing.
    """
    outcome = Outcome(name, claim_of(experiment))
    with ExitStack() as stack:
        box = stack.enter_context(Sandbox("client", "server"))
        recorder = stack.enter_context(Recorder(box["server"]))
        lab = Lab(box, recorder, stack)
        try:
            experiment(lab)
        except OSError as error:
            lab.check(f"the experiment came to its end ({error})", False)
        records = recorder.records()
    outcome.checks = lab.checks
    place = Path(folder or tempfile.mkdtemp(prefix="pktlab-"))
    outcome.capture, outcome.picture = place / f"{name}.pcapng", place / f"{name}.svg"
    with open_writer(outcome.capture, format="pcapng") as writer:
        for record in records:
            writer.write(record, recorder.interface_of(record))
    packets = [Packet(record, record.link_type) for record in records]
    outcome.picture.write_text(_picture(lab, packets, outcome.claim), encoding="utf-8")
    return outcome


def claim_of(experiment: Callable[[Lab], None]) -> str:
    """Return what an experiment shows, as a sentence: its docstring without "Show that"."""
    text = " ".join(cleandoc(experiment.__doc__ or "").split()).removeprefix("Show that ")
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def _picture(lab: Lab, packets: list[Packet], claim: str) -> str:
    """Return the picture of the server's sockets, as the model of the lookup sees them."""
    addresses = lab.addresses
    addresses |= {one.local.address for one in lab.sockets if not one.is_wildcard}
    demuxed = Demuxed(ReceivingHost(lab.table, addresses, "eth0"))
    for _ in demuxed.read(lab.replayed(packets)):
        pass
    return svg(demuxed, claim)


def end_of(one: socket.socket) -> Endpoint:
    """Return the local end of a socket.

    >>> with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    ...     print(end_of(one))
    0.0.0.0:0
    """
    return Endpoint(*one.getsockname()[:2])
