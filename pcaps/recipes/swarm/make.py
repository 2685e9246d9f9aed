"""Make the captures of real swarms, and the truth beside them.

    sudo python pcaps/recipes/swarm/make.py FOLDER [SCENARIO...]

Every member of a swarm is a host of a sandbox with a client of its own; a bridge joins them, each uplink is shaped by a
token bucket, and tcpdump listens on the bridge. Nothing is connected to the outside. For each scenario three files are
written: `NAME.pcap.zst`, `NAME.torrent`, and `NAME.json` with what is known from outside the capture: what each client
says about itself, when it had the whole file, and, for libtorrent, each choke and unchoke of its own peer log.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zstandard
from clients import address, started
from content import PIECE_LEN
from scenarios import SCENARIOS, Member, Scenario

from pktlab.errors import PktlabError
from pktlab.live import Host, Sandbox

RECIPES = Path(__file__).resolve().parent
CLIENT_PROGRAMS = {"aria2": ["aria2c"], "transmission": ["transmission-daemon"]}
TRACKER_PORT = 6969
IPV4, IPV6 = "10.99.0.0/24", "2001:db8::/64"
POLL_S = 0.25
STAY_S = 4.0
"""How long everybody stays when all are done, so that a seed with nobody left to serve can be seen."""
COMPRESSION_LEVEL = 19


class Running:
    """A swarm that is under way."""

    def __init__(self, box: Sandbox, scenario: Scenario, folder: Path) -> None:
        self.box, self.scenario, self.folder = box, scenario, folder
        self.clients: dict[str, Any] = {}
        self.started: dict[str, float] = {}
        self.completed: dict[str, float] = {}
        self.left: dict[str, float] = {}
        tracker = self._start_tracker()
        self.metainfo = scenario.shared.metainfo(tracker)
        self.torrent = folder / "shared.torrent"
        self.torrent.write_bytes(self.metainfo)

    def _start_tracker(self) -> str | None:
        """Start the tracker, if there is one, and return its URL."""
        kind = self.scenario.tracker
        if kind is None:
            return None
        host = self.box["tracker"]
        host.popen([sys.executable, "-B", RECIPES / "tracker.py", kind, address(host, self.scenario), TRACKER_PORT])
        host.wait_for_socket("udp" if kind == "udp" else "tcp", TRACKER_PORT)
        ip = f"[{address(host, self.scenario)}]" if self.scenario.ipv6 else address(host, self.scenario)
        return f"{kind}://{ip}:{TRACKER_PORT}" + ("/announce" if kind == "http" else "")

    def start(self, member: Member) -> None:
        """Start a member's client."""
        host, seed = self.box[member.name], address(self.box[self.scenario.members[0].name], self.scenario)
        source = str(self.torrent)
        if self.scenario.magnet and not member.seed:
            source = f"magnet:?xt=urn:btih:{self.scenario.shared.info_hash()}"
        self.started[member.name] = time.time()
        called = [address(self.box[m.name], self.scenario) for m in self.scenario.members if m.client == "transmission"]
        more = {"connect": called} if member.seed and self.scenario.magnet else {}
        self.clients[member.name] = started(
            host, member, self.scenario, self.scenario.shared, source, self.folder / member.name, seed, **more
        )

    def look(self) -> None:
        """See who is done, and let those go who then leave."""
        for member in self.scenario.members:
            client = self.clients.get(member.name)
            if client is None or member.seed or member.name in self.completed:
                continue
            client.poll()
            if self.scenario.shared.is_in(client.has_files):
                self.completed[member.name] = time.time()
                if member.leaves:
                    self.leave(member.name)

    def leave(self, name: str) -> None:
        """Let a member say goodbye."""
        self.left[name] = time.time()
        self.clients[name].leave()

    def is_done(self) -> bool:
        """Say whether every leecher has everything."""
        return len(self.completed) == sum(not member.seed for member in self.scenario.members)

    def run(self) -> None:
        """Start everybody in their turn, wait until all are done and a little longer, and end it."""
        begin = time.monotonic()
        waiting = list(self.scenario.members)
        while not self.is_done():
            now = time.monotonic() - begin
            if now > self.scenario.timeout_s:
                missing = [m.name for m in self.scenario.members if not m.seed and m.name not in self.completed]
                raise PktlabError(f"not done after {now:.0f} s: {', '.join(missing)}")
            while waiting and waiting[0].after_s <= now:
                self.start(waiting.pop(0))
            self.look()
            time.sleep(POLL_S)
        time.sleep(STAY_S)
        for name in [name for name in self.clients if name not in self.left]:
            self.leave(name)

    def truth(self) -> dict[str, Any]:
        """Return what is known from outside the capture."""
        hosts = {member.name: self._told(member) for member in self.scenario.members}
        shared = self.scenario.shared
        return {
            "what": self.scenario.what,
            "info_hash": shared.info_hash(),
            "name": shared.name,
            "length": shared.length,
            "piece_length": PIECE_LEN,
            "pieces": shared.pieces,
            "tracker": address(self.box["tracker"], self.scenario) if self.scenario.tracker else None,
            "hosts": hosts,
        }

    def _told(self, member: Member) -> dict[str, Any]:
        return {
            "ip": address(self.box[member.name], self.scenario),
            "client": member.client,
            "version": version(member.client),
            "role": "seed" if member.seed else "leecher",
            "uplink_kbit": member.uplink_kbit,
            "limit_kbit": member.limit_kbit,
            "had": list(member.has),
            "started": round(self.started[member.name], 3),
            "completed": round(self.completed[member.name], 3) if member.name in self.completed else None,
            "left": round(self.left[member.name], 3),
            **self.clients[member.name].truth(),
        }


def version(client: str) -> str:
    """Return the version of a client that is installed."""
    if client == "libtorrent":
        import libtorrent

        return str(libtorrent.__version__)
    program = {"aria2": "aria2c", "transmission": "transmission-daemon"}[client]
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
    words = (said.stdout + said.stderr).split()
    return next(word for word in words if word[0].isdigit())


def shape(host: Host, kbit: int, queue_ms: int) -> None:
    """Let a host send no faster than `kbit` kbit/s; what would wait longer than `queue_ms` ms gets lost."""
    bucket = ["rate", f"{kbit}kbit", "burst", "16kb", "latency", f"{queue_ms}ms"]
    host.run(["tc", "qdisc", "add", "dev", host.eth0.name, "root", "tbf", *bucket])


def capture(scenario: Scenario, packets: Path, folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Let a swarm happen and write its packets; return the metainfo and the truth."""
    names = ["tracker", *(member.name for member in scenario.members)]
    # Transmission's RPC needs an IPv4 address on some interface, though nobody uses it.
    with Sandbox(*names, ipv4=IPV4, ipv6=IPV6 if scenario.ipv6 else None, mtu=scenario.mtu) as box:
        for member in scenario.members:
            shape(box[member.name], member.uplink_kbit, scenario.queue_ms)
        options = ["-n", "-U", "-B", "16384", "-s", "0", "-Z", "root", "--time-stamp-precision=nano"]
        middle = box.bridge
        tcpdump = middle.popen(["tcpdump", "-i", middle.eth0.name, *options, "-w", packets])
        if not any("listening" in line for line in tcpdump.stdout or ()):
            raise PktlabError("tcpdump ended before it captured anything")
        running = Running(box, scenario, folder)
        running.run()
        time.sleep(1)
        tcpdump.terminate()
        said = tcpdump.stdout.read() if tcpdump.stdout else ""
        if "0 packets dropped by kernel" not in said:
            raise PktlabError(f"packets were not captured: {said}")
        return running.metainfo, running.truth()


def make(name: str, target: Path) -> None:
    """Make one capture and write its three files."""
    scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory(prefix="swarm-") as temporary:
        packets = Path(temporary, "packets.pcap")
        metainfo, truth = capture(scenario, packets, Path(temporary))
        content = packets.read_bytes()
    compressed = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(content)
    truth = {"scenario": name, "sha256": hashlib.sha256(compressed).hexdigest(), **truth}
    (target / f"{name}.pcap.zst").write_bytes(compressed)
    (target / f"{name}.torrent").write_bytes(metainfo)
    (target / f"{name}.json").write_text(as_text(truth), encoding="utf-8")
    print(f"{name}: {len(content):,} bytes, compressed {len(compressed):,}")


def as_text(truth: dict[str, Any]) -> str:
    """Return the truth as JSON with short lists on one line.

    >>> print(as_text({"have": [1, 2], "hosts": {"a": {"chokes": [[1.5, "choke"], [2.5, "unchoke"]]}}}))
    {
     "have": [1,2],
     "hosts": {
      "a": {
       "chokes": [
        [1.5,"choke"],
        [2.5,"unchoke"]
       ]
      }
     }
    }
    <BLANKLINE>
    """
    return "\n".join(_lines(truth, 0)) + "\n"


def _lines(value: Any, depth: int) -> list[str]:
    pad = " " * depth
    if isinstance(value, dict) and value:
        inner = [(json.dumps(key) + ": ", one) for key, one in value.items()]
        brackets = "{}"
    elif isinstance(value, list) and any(isinstance(one, list | dict) for one in value):
        inner, brackets = [("", one) for one in value], "[]"
    else:
        return [json.dumps(value, separators=(",", ":"))]
    if brackets == "[]" and depth >= 3:
        inner_lines = [[json.dumps(one, separators=(",", ":"))] for _, one in inner]
    else:
        inner_lines = [_lines(one, depth + 1) for _, one in inner]
    lines = [brackets[0]]
    for number, ((prefix, _), block) in enumerate(zip(inner, inner_lines, strict=True), 1):
        block = [f"{pad} {prefix}{block[0]}", *block[1:]]
        lines += [*block[:-1], block[-1] + ("," if number < len(inner) else "")]
    return [*lines, pad + brackets[1]]


def main(folder: str, *names: str) -> None:
    """Make the captures that are named, or all but the brief one."""
    names = names or tuple(name for name in SCENARIOS if name != "brief")
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise PktlabError(f"no scenario {unknown[0]}: take one of {', '.join(SCENARIOS)}")
    clients = {member.client for name in names for member in SCENARIOS[name].members}
    programs = ["tcpdump", "tc", *(program for client in clients for program in CLIENT_PROGRAMS.get(client, ()))]
    if absent := [program for program in programs if shutil.which(program) is None]:
        raise PktlabError(f"not installed: {', '.join(absent)}")
    if importlib.util.find_spec("libtorrent") is None:
        raise PktlabError("not installed: libtorrent (pip install libtorrent)")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        make(name, target)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("swarm: usage: make.py FOLDER [SCENARIO...]")
    try:
        main(*sys.argv[1:])
    except PktlabError as error:
        sys.exit(f"swarm: {error}")
