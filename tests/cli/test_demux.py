"""`pktlab demux`: packets with their sockets, sums, pictures."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from pktlab.errors import PktlabError
from pktlab.flows import Rule
from pktlab.jsontext import json_schema
from pktlab.live import Sandbox
from pktlab.live.access import enter_own_namespace, raw_socket_error

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def test_a_line_a_packet_and_the_sums(pktlab: Any, first_light: Path) -> None:
    status, out, err = pktlab("demux", first_light)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[4].endswith("tcp:192.0.2.2:12000 (address); asks for a connection")
    assert "tcp:192.0.2.2:12000,peer=192.0.2.1:43592        5    341      1" in out
    assert "28  udp 192.0.2.1:40000 → 192.0.2.2:12000               dropped: its udp checksum is bad" in out


def test_given_sockets_and_why_the_others_lost(pktlab: Any, good: Path) -> None:
    sockets = ("--socket", "udp:0.0.0.0:9999", "--socket", "udp:192.0.2.2:9999,name=dns")
    out = pktlab("demux", good, *sockets, "-V").out
    assert out.count("dns (address)") == 3
    assert "not udp:0.0.0.0:9999: it is bound to every address, dns to just this one" in out


def test_json_has_the_names_of_the_contract(pktlab: Any, good: Path) -> None:
    array = json.loads(pktlab("demux", good, "-T", "json", "--socket", "udp:0.0.0.0:9999").out)
    assert [one["frame.number"] for one in array] == [1, 2, 3]
    assert {(one["demux.socket"], one["demux.rule"]) for one in array} == {("udp:0.0.0.0:9999", "wildcard")}
    lines = pktlab("demux", good, "-T", "jsonl", "--socket", "udp:0.0.0.0:1", "-V").out.splitlines()
    first = json.loads(lines[0])
    assert (first["demux.socket"], first["demux.rule"], first["demux.answer"]) == (
        None, "no socket", "ICMP port unreachable",
    )  # fmt: skip
    assert first["demux.runners_up"][0]["reason"] == "its port is 1, the packet is for 9999"


SOCKETS = ("tcp:0.0.0.0:12000,backlog=0", "udp:0.0.0.0:12000,reuseport", "udp:0.0.0.0:12000,reuseport", "udp:[::]:53")


@pytest.mark.parametrize("sockets", [(), SOCKETS], ids=["inferred", "given"])
def test_the_json_is_what_its_schema_says(sockets: tuple[str, ...], pktlab: Any, first_light: Path) -> None:
    schema = json_schema("demux")
    jsonschema.Draft202012Validator.check_schema(schema)
    words = ("demux", first_light, "-V", *(word for text in sockets for word in ("--socket", text)))
    packets = json.loads(pktlab(*words, "-T", "json").out)
    sums = json.loads(pktlab(*words, "--json").out)
    for kind, document in (("packets", packets), ("sums", sums)):
        jsonschema.validate(document, schema)
        jsonschema.validate(document, {**schema, "oneOf": [{"$ref": f"#/$defs/{kind}"}]})
    for line in pktlab(*words, "-T", "jsonl").out.splitlines():
        jsonschema.validate(json.loads(line), schema)
    assert sums["packets"] == len(packets) == 40
    assert sum(one["packets"] for one in sums["sockets"]) >= sum(one["demux.socket"] is not None for one in packets)


def test_the_schema_knows_every_rule() -> None:
    assert json_schema("demux")["$defs"]["rule"]["enum"] == [str(rule) for rule in Rule]


def test_a_document_that_is_none_is_noticed() -> None:
    for wrong in ({"frame.number": 0, "demux.socket": None, "demux.rule": None}, {"packets": 1}, [{}]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, json_schema("demux"))


def test_the_picture_has_every_socket_and_every_four_tuple(pktlab: Any, first_light: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.svg"
    assert pktlab("demux", first_light, "-q", "--plot", target).status == 0
    root = ElementTree.fromstring(target.read_text())
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert "TCP listener, port 12000" in texts
    assert "TCP connection, still port 12000" in texts
    assert "tcp 192.0.2.1:43592 → 192.0.2.2:12000" in texts
    assert "SYN" in texts
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    for one in root.iter(f"{SVG}rect"):
        if one.get("x"):
            assert float(one.get("x", "0")) + float(one.get("width", "0")) <= width
            assert float(one.get("y", "0")) + float(one.get("height", "0")) <= height


def test_the_picture_as_png(pktlab: Any, first_light: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    assert pktlab("demux", first_light, "-q", "--plot", target).status == 0
    data = target.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert b"pktlab" in data[:200]


def test_without_matplotlib_one_line_says_what_to_install(
    pktlab: Any, first_light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, out, err = pktlab("demux", first_light, "--plot", tmp_path / "out.png")
    assert (status, out, err) == (2, "", "pktlab: this needs matplotlib: pip install pktlab-toolkit[plot]\n")
    assert not (tmp_path / "out.png").exists()


def test_a_capture_without_tcp_and_udp_has_an_empty_picture(pktlab: Any, first_light: Path, tmp_path: Path) -> None:
    status, out, _ = pktlab("demux", first_light, "-Y", "arp", "--plot", tmp_path / "out.svg")
    assert (status, out) == (0, "\n4 packets: 0 for sockets, 4 neither TCP nor UDP, or waiting\n")
    assert ElementTree.fromstring((tmp_path / "out.svg").read_text()).tag == f"{SVG}svg"


def test_the_picture_for_a_terminal(pktlab: Any, first_light: Path) -> None:
    out = pktlab("demux", first_light, "--draw").out
    assert "└─ SYN 192.0.2.1:43592 → 192.0.2.2:12000" in out
    assert "still port 12000" in out


def test_the_sockets_of_ss(pktlab: Any, good: Path, tmp_path: Path) -> None:
    listing = tmp_path / "ss.txt"
    listing.write_text('udp UNCONN 0 0 192.0.2.2:9999 0.0.0.0:* users:(("named",pid=1,fd=3))\n')
    assert pktlab("demux", good, "--sockets", listing).out.count("named udp:192.0.2.2:9999 (address)") == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--socket", "udp:0.0.0.0"], "socket 'udp:0.0.0.0': '0.0.0.0' is not ADDRESS:PORT"),
        (["--host", "here"], "'here' is no IP address"),
        (["--plot", "out.pdf"], "--plot writes SVG, and PNG with Matplotlib"),
        (["-i", "lo"], "Name one of them"),
        (["-c", "5"], "name an interface with -i"),
    ],
)
def test_a_slip_is_one_line(arguments: list[str], said: str, pktlab: Any, good: Path) -> None:
    status, out, err = pktlab("demux", good, *arguments)
    assert (status, out) == (2, "")
    assert said.lower() in err.lower()
    assert err.count("\n") == 1


def test_nothing_in_a_packet_acts_on_a_terminal(pktlab: Any, evil: Path) -> None:
    for extra in ([], ["--draw"], ["-V"]):
        out = pktlab("demux", evil, *extra).out
        assert [char for char in out if not char.isprintable() and char != "\n"] == []


def test_experiments_are_listed_one_a_line(pktlab: Any) -> None:
    status, out, err = pktlab("demux", "--experiment", "list")
    assert (status, err) == (0, "")
    assert "udp-connected" in out.splitlines()
    assert len(out.splitlines()) == 18
    listed = pktlab("lab", "list").out
    assert [line for line in listed.splitlines() if not line.startswith(" ")] == out.splitlines()


def test_an_experiment_that_is_not_there(pktlab: Any, good: Path) -> None:
    status, out, err = pktlab("demux", "--experiment", "udp-conected")
    assert (status, out) == (2, "")
    assert "did you mean udp-connected?" in err
    assert pktlab("demux", good, "--experiment", "udp-connected").status == 2


def test_without_a_sandbox_one_line_says_what_it_needs(
    pktlab: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("pktlab.live.access.namespaces_as", lambda: None)
    monkeypatch.setattr("sys.platform", "linux")
    status, out, err = pktlab("demux", "--experiment", "multicast", "-o", tmp_path)
    assert (status, out) == (2, "")
    assert "sudo" in err
    assert err.count("\n") == 1


@pytest.mark.skipif(Sandbox.available() is not None, reason="needs a sandbox")
def test_a_plain_user_gets_a_namespace_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("pktlab.live.access.namespaces_as", lambda: "any user")
    monkeypatch.setattr("os.execvp", lambda program, argv: started.append(argv))
    wanted = ["-m", "pktlab_cli", "demux", "--experiment", "udp-connected", "-o", str(tmp_path)]
    monkeypatch.setattr("sys.orig_argv", ["python", *wanted])
    enter_own_namespace()
    assert started[0][-len(wanted) :] == wanted
    done = subprocess.run(started[0], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("  held  ") == 3
    assert (tmp_path / "udp-connected.svg").exists()


@pytest.mark.skipif(bool(raw_socket_error()), reason="no raw sockets")
def test_ctrl_c_ends_a_live_capture_with_the_sums(environment: dict[str, str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        command = [sys.executable, "-m", "pktlab_cli", "demux", "-i", "lo", "-f", f"udp port {port}"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            assert run.stderr.readline() == "pktlab: lo: listening\n"
            server.sendto(b"to myself", ("127.0.0.1", port))
            assert f" udp:127.0.0.1:{port} (address)" in run.stdout.readline()  # at once
            run.send_signal(signal.SIGINT)
            out, err = run.communicate(timeout=20)
    assert (run.returncode, err) == (0, "")
    assert out.endswith("1 packet: 1 for sockets, 0 neither TCP nor UDP, or waiting\n")


def test_without_privilege_a_live_capture_is_one_line(pktlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: int) -> socket.socket:
        raise PktlabError("raw sockets are not allowed here: run this with sudo")

    monkeypatch.setattr("pktlab.live.packet_socket.packet_socket", forbidden)
    assert pktlab("demux", "-i", "lo") == (2, "", "pktlab: raw sockets are not allowed here: run this with sudo\n")


def test_an_interface_that_is_none_is_one_line(pktlab: Any) -> None:
    status, out, err = pktlab("demux", "-i", "nothing0")
    assert (status, out) == (2, "")
    assert err.startswith("pktlab: there is no interface nothing0")
    assert err.count("\n") == 1
