"""A libtorrent peer that shares one torrent and writes down what it knows, a JSON object a line, until stdin ends.

    python peer.py OPTIONS.json

The options: `ip`, `folder`, `torrent` (a file) or `magnet`, `log`, `settings` of libtorrent, `dht` (announce there
often), `connect` (peers to call). Lines of the log: `{"t", "what", ...}`, `t` in s since the epoch; `choke` and
`unchoke` are those of libtorrent's own peer log, at the moment it wrote them.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import libtorrent as lt

PORT = 6881
STATUS_S = 0.2
DHT_S = 5.0
SETTINGS: dict[str, Any] = {
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_lsd": False,
    "enable_dht": False,
    "dht_bootstrap_nodes": "",
    "in_enc_policy": 2,  # pe_disabled
    "out_enc_policy": 2,
    "unchoke_slots_limit": 4,
    "unchoke_interval": 10,
    "optimistic_unchoke_interval": 30,
    "allow_multiple_connections_per_ip": True,
    "announce_to_all_trackers": True,
    # Everybody is in one network, which libtorrent's DHT takes for one attacker.
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_upload_rate_limit": 100_000,
    "alert_queue_size": 100_000,
}
WANTED = ("peer_log", "piece_progress", "status", "error", "tracker", "dht", "connect")
CHOKES = re.compile(r"(==>|<==)\s*(CHOKE|UNCHOKE)\b")


@dataclass
class Moved:
    """Bytes from and to one address and port. A connection counts from 0, so what falls back is another one.

    >>> moved = Moved()
    >>> for down in (5, 9, 2):
    ...     moved.see(down, 0)
    >>> moved.total()
    (11, 0)
    """

    before: tuple[int, int] = (0, 0)
    now: tuple[int, int] = (0, 0)

    def see(self, down: int, up: int) -> None:
        """Take in what the connection has moved so far."""
        if down < self.now[0] or up < self.now[1]:
            self.before = self.total()
        self.now = (down, up)

    def total(self) -> tuple[int, int]:
        """Return the bytes of all connections."""
        return self.before[0] + self.now[0], self.before[1] + self.now[1]


class Peer:
    """One session with one torrent, and its log."""

    def __init__(self, options: dict[str, Any], log: TextIO) -> None:
        self.options, self.log = options, log
        mask = 0
        for name in WANTED:
            mask |= getattr(lt.alert.category_t, f"{name}_notification")
        ip = options["ip"]
        listen = f"[{ip}]:{PORT}" if ":" in ip else f"{ip}:{PORT}"
        own = {"listen_interfaces": listen, "outgoing_interfaces": ip, "alert_mask": mask}
        self.session = lt.session(SETTINGS | own | options.get("settings", {}))
        self._treat_neighbours_as_strangers()
        self.torrent = self._add()
        self.moved: dict[tuple[str, int], Moved] = {}
        self.peer_ids: dict[str, str] = {}

    def _treat_neighbours_as_strangers(self) -> None:
        """Put everybody into the common class of peers: libtorrent never chokes those of a private network."""
        filter_ = lt.ip_filter()
        everybody = 1 << self.session.global_peer_class_id
        filter_.add_rule("0.0.0.0", "255.255.255.255", everybody)
        filter_.add_rule("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", everybody)
        self.session.set_peer_class_filter(filter_)

    def _add(self) -> Any:
        if "magnet" in self.options:
            parameters = lt.parse_magnet_uri(self.options["magnet"])
        else:
            parameters = lt.add_torrent_params()
            parameters.ti = lt.torrent_info(self.options["torrent"])
        parameters.save_path = self.options["folder"]
        parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        torrent = self.session.add_torrent(parameters)
        for peer in self.options.get("connect", ()):
            torrent.connect_peer((peer, PORT))
        return torrent

    def write(self, what: str, at: datetime | None = None, **told: Any) -> None:
        """Add a line to the log: what happened `at` that moment, in UTC, or now."""
        time_s = at.replace(tzinfo=UTC).timestamp() if at else time.time()
        self.log.write(json.dumps({"t": round(time_s, 4), "what": what, **told}) + "\n")
        self.log.flush()

    def run(self, left: threading.Event) -> None:
        """Take part until `left` is set."""
        status_at = dht_at = 0.0
        while not left.is_set():
            self.session.wait_for_alert(50)
            self._write_alerts()
            now = time.monotonic()
            if now >= status_at:
                self._look()
                status_at = now + STATUS_S
            if self.options.get("dht") and now >= dht_at:
                self.torrent.force_dht_announce()
                dht_at = now + DHT_S
        self._look()
        self._write_status()
        self._leave()

    def _leave(self) -> None:
        """Say goodbye to the tracker and to the peers."""
        self.session.remove_torrent(self.torrent)
        time.sleep(1)

    def _write_alerts(self) -> None:
        for alert in self.session.pop_alerts():
            at = alert.timestamp()
            if isinstance(alert, lt.peer_log_alert):
                if found := CHOKES.search(alert.message()):
                    ip, port = alert.endpoint
                    way = "sent" if found[1] == "==>" else "received"
                    self.write(found[2].lower(), at, way=way, ip=ip, port=port)
            elif isinstance(alert, lt.piece_finished_alert):
                self.write("piece", at, piece=alert.piece_index)
                self._look()
            elif isinstance(alert, lt.torrent_finished_alert):
                self.write("finished", at)
            elif isinstance(alert, lt.hash_failed_alert):
                self.write("hash failed", at, piece=alert.piece_index)
            elif isinstance(alert, lt.tracker_error_alert | lt.torrent_error_alert | lt.listen_failed_alert):
                self.write("error", at, message=alert.message())

    def _look(self) -> None:
        """Look what was moved to and from each peer, before the connection goes."""
        seen: dict[tuple[str, int], tuple[int, int]] = {}
        for peer in self.torrent.get_peer_info():
            before = seen.get(peer.ip, (0, 0))  # a connection that ends may still be there beside its successor
            seen[peer.ip] = max(before[0], peer.total_download), max(before[1], peer.total_upload)
            if any(peer.pid.to_bytes()):
                self.peer_ids[peer.ip[0]] = peer.pid.to_bytes().hex()
        for address, counts in seen.items():
            self.moved.setdefault(address, Moved()).see(*counts)

    def _write_status(self) -> None:
        status = self.torrent.status()
        peers = [[ip, port, *moved.total()] for (ip, port), moved in sorted(self.moved.items())]
        self.write(
            "end",
            have=[index for index, has in enumerate(status.pieces) if has],
            downloaded=status.total_payload_download,
            uploaded=status.total_payload_upload,
            wasted=status.total_redundant_bytes,
            failed=status.total_failed_bytes,
            peers=peers,
            peer_ids=self.peer_ids,
        )


def main(path: str) -> None:
    """Take part until stdin ends."""
    options = json.loads(Path(path).read_text(encoding="utf-8"))
    left = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        left.set()

    threading.Thread(target=wait, daemon=True).start()
    with Path(options["log"]).open("w", encoding="utf-8") as log:
        Peer(options, log).run(left)


if __name__ == "__main__":
    main(*sys.argv[1:])
