"""How each client is started, asked and ended: libtorrent by a program beside this one, the others by their own RPC.

The questions go over the loopback of the client's own host, so that no capture on the wire has them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from content import Shared
from scenarios import Member, Scenario

from pktlab.errors import PktlabError
from pktlab.live import Host
from pktlab.live.inside import inside

__all__ = ["Aria2", "Client", "LibTorrent", "Transmission", "started"]

PORT = 6881
RPC_TIMEOUT_S = 5.0
LEAVE_S = 10.0
PEER = Path(__file__).with_name("peer.py")
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


class Client(Protocol):
    """A running client."""

    has_files: Path

    def poll(self) -> None:
        """Take a look at how far it is."""

    def leave(self) -> None:
        """Let it say goodbye and end."""

    def truth(self) -> dict[str, Any]:
        """Return what it says about itself: bytes, peers, pieces, chokes, as far as it tells."""


class LibTorrent:
    """A libtorrent session in a program of its own, which writes a log."""

    def __init__(self, host: Host, member: Member, scenario: Scenario, source: str, folder: Path, **more: Any) -> None:
        self.has_files = folder
        self._log = folder / "peer.log"
        options = {
            "ip": address(host, scenario),
            "folder": str(folder),
            "log": str(self._log),
            "settings": scenario.settings,
        }
        options["settings"] = scenario.settings | more.pop("settings", {})
        if member.limit_kbit:
            options["settings"] |= {"upload_rate_limit": member.limit_kbit * 1000 // 8}
        options |= {"magnet" if source.startswith("magnet:") else "torrent": source, **more}
        told = folder / "options.json"
        told.write_text(json.dumps(options), encoding="utf-8")
        self._host = host
        command = [sys.executable, "-B", PEER, told]
        self._process = host.popen(command, stdin=subprocess.PIPE, env=ENVIRONMENT)

    def _entries(self) -> list[dict[str, Any]]:
        text = self._log.read_text(encoding="utf-8") if self._log.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def poll(self) -> None:
        """See that it is still there: it writes its log itself."""
        if self._process.poll() is not None and self._process.stdout:
            raise PktlabError(f"the libtorrent peer ended: {self._process.stdout.read()}")

    def leave(self) -> None:
        """End its stdin, and wait for it."""
        if self._process.stdin:
            self._process.stdin.close()
            self._process.wait(LEAVE_S)

    def truth(self) -> dict[str, Any]:
        """Return what its log says."""
        entries = self._entries()
        end = entries[-1]
        moved: dict[str, list[int]] = {}
        for ip, _, down, up in end["peers"]:
            total = moved.setdefault(ip, [0, 0])
            total[0], total[1] = total[0] + down, total[1] + up
        return {
            "errors": [entry["message"] for entry in entries if entry["what"] == "error"],
            "downloaded": end["downloaded"],
            "uploaded": end["uploaded"],
            "wasted": end["wasted"],
            "have": end["have"],
            "peers": {ip: {"downloaded": down, "uploaded": up} for ip, (down, up) in sorted(moved.items())},
            "peer_ids": dict(sorted(end["peer_ids"].items())),
            "pieces": [[entry["t"], entry["piece"]] for entry in entries if entry["what"] == "piece"],
            "chokes": list(_changes(entries)),
        }


def _changes(entries: list[dict[str, Any]]) -> Iterator[list[Any]]:
    """Yield each choke and unchoke that changes something: libtorrent writes some that it received down twice."""
    state: dict[tuple[Any, ...], str] = {}
    for entry in entries:
        if entry["what"] in ("choke", "unchoke"):
            key = entry["way"], entry["ip"], entry["port"]
            if state.get(key) != entry["what"]:
                yield [entry["t"], entry["what"], *key]
            state[key] = entry["what"]


class Aria2:
    """aria2c, asked over XML-RPC."""

    def __init__(self, host: Host, member: Member, scenario: Scenario, source: str, folder: Path, **more: Any) -> None:
        self.has_files = folder
        self._host = host
        self._last: dict[str, Any] = {}
        own = [f"--dir={folder}", f"--listen-port={PORT}", "--seed-time=600", "--seed-ratio=0", "--no-conf=true"]
        own += [
            f"--interface={host.eth0.name}",
            f"--bt-external-ip={address(host, scenario)}",
            "--bt-tracker-interval=10",
        ]
        own += ["--file-allocation=none", "--bt-enable-lpd=false", "--enable-rpc=true", "--quiet=true"]
        own += ["--bt-max-peers=20", f"--disable-ipv6={'false' if scenario.ipv6 else 'true'}"]
        if member.has:
            own += ["--check-integrity=true"]
        if scenario.magnet:
            own += ["--enable-dht=true", f"--dht-listen-port={PORT}", f"--dht-entry-point={more['dht_node']}:{PORT}"]
            own += [f"--dht-file-path={folder / 'dht.dat'}"]
        else:
            own += ["--enable-dht=false"]
        environment = ENVIRONMENT | {"HOME": str(folder)}
        self._process = host.popen(["aria2c", *own, source], stdout=subprocess.DEVNULL, env=environment)

    def poll(self) -> None:
        """Ask for its counts."""
        try:
            self._last = inside(self._host, self._ask) or self._last
        except OSError:
            return  # it is not listening yet

    def _ask(self) -> dict[str, Any]:
        with xmlrpc.client.ServerProxy("http://127.0.0.1:6800/rpc") as server:
            active: Any = server.aria2.tellActive()
            shared = [one for one in active if "infoHash" in one and not one.get("followedBy")]
            return dict(shared[0]) if shared else {}

    def leave(self) -> None:
        """Let it tell the tracker, and end."""
        self.poll()
        self._process.terminate()
        self._process.wait(LEAVE_S)

    def truth(self) -> dict[str, Any]:
        """Return its counts; aria2 gives none for each peer."""
        return {
            "downloaded": int(self._last.get("completedLength", 0)),
            "uploaded": int(self._last.get("uploadLength", 0)),
        }


class Transmission:
    """transmission-daemon, asked over its RPC."""

    def __init__(self, host: Host, member: Member, scenario: Scenario, source: str, folder: Path, **more: Any) -> None:
        self.has_files = folder
        self._host = host
        self._session = ""
        self._last: dict[str, Any] = {}
        settings = {
            # It asks trackers from this address, if it is not the default, whatever version of IP they have.
            "bind-address-ipv4": "0.0.0.0" if scenario.ipv6 else address(host, scenario),
            "bind-address-ipv6": address(host, scenario) if scenario.ipv6 else "::1",
            "peer-port": PORT,
            "encryption": 0,
            "utp-enabled": scenario.utp,
            "dht-enabled": scenario.magnet,
            "lpd-enabled": False,
            "pex-enabled": True,
            "port-forwarding-enabled": False,
            "upload-slots-per-torrent": 4,
            "download-dir": str(folder),
            "rpc-bind-address": "127.0.0.1",
            "rpc-whitelist-enabled": False,
            "trash-original-torrent-files": False,
        }
        configuration = folder / "configuration"
        configuration.mkdir()
        (configuration / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        if scenario.magnet:
            (configuration / "dht.bootstrap").write_text(f"{more['dht_node']} {PORT}\n", encoding="utf-8")
        environment = ENVIRONMENT | {"HOME": str(folder)}
        command = ["transmission-daemon", "-f", "-g", configuration]
        self._process = host.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        host.wait_for_socket("tcp", 9091)
        self._call("torrent-add", filename=source)

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        return inside(self._host, self._post, body)

    def _post(self, body: bytes) -> dict[str, Any]:
        for _ in range(2):
            headers = {"X-Transmission-Session-Id": self._session}
            request = urllib.request.Request("http://127.0.0.1:9091/transmission/rpc", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=RPC_TIMEOUT_S) as answer:
                    return dict(json.load(answer)["arguments"])
            except urllib.error.HTTPError as error:
                self._session = error.headers.get("X-Transmission-Session-Id", "")
        raise OSError("transmission gives no session")

    def poll(self) -> None:
        """Ask for its counts."""
        fields = ["uploadedEver", "downloadedEver", "corruptEver", "percentDone", "doneDate"]
        listed = self._call("torrent-get", fields=fields)["torrents"]
        self._last = listed[0] if listed else self._last

    def leave(self) -> None:
        """Let it tell the tracker, and end."""
        self.poll()
        self._process.terminate()
        self._process.wait(LEAVE_S)

    def truth(self) -> dict[str, Any]:
        """Return its counts; Transmission gives none for each peer."""
        return {
            "downloaded": self._last.get("downloadedEver", 0),
            "uploaded": self._last.get("uploadedEver", 0),
        }


def address(host: Host, scenario: Scenario) -> str:
    """Return the address of a host that the scenario uses."""
    return str(host.ipv6 if scenario.ipv6 else host.ipv4)


CLIENTS: dict[str, type[Any]] = {"libtorrent": LibTorrent, "aria2": Aria2, "transmission": Transmission}


def started(
    host: Host, member: Member, scenario: Scenario, shared: Shared, source: str, folder: Path, node: str, **more: Any
) -> Any:
    """Start the client of a member and return it."""
    folder.mkdir()
    shared_pieces = None if member.seed else member.has
    if member.seed or member.has:
        shared.write(folder, shared_pieces)
    if scenario.magnet and member.client == "libtorrent":
        nodes = "" if member.seed else f"{node}:{PORT}"
        more |= {"dht": True, "settings": {"enable_dht": True, "dht_bootstrap_nodes": nodes}}
    elif scenario.magnet:
        more |= {"dht_node": node}
    return CLIENTS[member.client](host, member, scenario, source, folder, **more)
