"""`pktlab schema`: the list, the figure, the table of fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pktlab_cli.catalog import find, title

from pktlab.wire import PROTOCOLS, Found
from pktlab.wire.diagram import diagram
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import TcpOption


def test_every_protocol_is_listed_under_a_name_that_finds_it(pktlab: Any) -> None:
    rows = json.loads(pktlab("schema", "list", "--json").out)
    assert [find(row["name"]) for row in rows] == list(PROTOCOLS)
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    lines = pktlab("schema", "list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == names
    assert "User Datagram Protocol" in "\n".join(lines)


@pytest.mark.parametrize("header", PROTOCOLS, ids=title)
def test_show_draws_it_and_lists_its_fields(header: Any, pktlab: Any) -> None:
    status, out, err = pktlab("schema", "show", title(header))
    assert (status, err) == (0, "")
    assert out.startswith(f"{header.label} ({header.layer})\n")
    assert "\n".join(diagram(header)) in out
    for row in header.schema.rows:
        assert not row.name or f"\n{row.name} " in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_place_of_a_field_is_that_in_a_packet(pktlab: Any) -> None:
    data = bytes.fromhex("4500001c000000004011") + bytes(10)
    found: dict[str, Found] = {one.name: one for one in Ip.parse(data).spans()}
    for row in json.loads(pktlab("schema", "show", "ip", "-T", "json").out)["fields"]:
        if row["name"] in found:
            assert [row["byte"], row["bit"], row["bits"]] == list(found[row["name"]].bit_range), row["name"]


def test_json_has_sizes_scales_and_names(pktlab: Any) -> None:
    fields = {row["name"]: row for row in json.loads(pktlab("schema", "show", "ip", "-T", "json").out)["fields"]}
    assert (fields["ip.hdr_len"]["scale"], fields["ip.hdr_len"]["byte"], fields["ip.hdr_len"]["bit"]) == (4, 0, 4)
    assert fields["ip.options"]["size"] == "hdr_len - 20 bytes"
    assert fields["ip.proto"]["values"]["17"] == "UDP"


def test_verbose_shows_what_lies_inside(pktlab: Any) -> None:
    out = pktlab("schema", "show", "tcp", "-V").out
    assert "\n".join(diagram(TcpOption)) in out
    inside = json.loads(pktlab("schema", "show", "tcp", "-V", "-T", "json").out)["inside"]
    assert "TcpOption" in [one["class"] for one in inside]


def test_a_class_inside_can_be_named(pktlab: Any) -> None:
    assert "tcp.option_kind" in pktlab("schema", "show", "TcpOption").out


def test_a_users_own(pktlab: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from construct import Int16ul\nfrom pktlab.wire import Header, bits, field\n"
        "class ECHO(Header, layer='echo'):\n    _word = field(Int16ul)\n    kind: int = bits(_word, 0x0FFF, 'Kind')\n"
        "    level: int = bits(_word, 0xE000, 'Level')\n"
    )
    out = pktlab("schema", "show", f"{path}:ECHO").out
    assert "|   Kind [7:0]  |Level|-| [11:8]|" in out.replace("|Level| |", "|Level|-|")
    document = json.loads(pktlab("schema", "show", f"{path}:ECHO", "-T", "json").out)
    rows = {row["name"]: row for row in document["fields"]}
    assert (rows["echo.kind"]["byte"], rows["echo.kind"]["bit"]) == (0, None)  # torn apart by the byte order
    assert (rows["echo.level"]["byte"], rows["echo.level"]["bit"], rows["echo.level"]["bits"]) == (1, 0, 3)


def test_a_slip_of_the_finger(pktlab: Any) -> None:
    said = "pktlab: no protocol is called 'icmpv4', did you mean icmpv6?\n"
    assert pktlab("schema", "show", "icmpv4") == (2, "", said)
