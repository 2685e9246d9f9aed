"""`pktlab checksum`: the verdicts counted, explained, and sums computed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pktlab.capture import open_capture
from pktlab.wire.verdict import Verdict

CONTRACT = ["ip", "udp", "udplite", "tcp", "icmp", "icmpv6", "igmp", "gre", "sctp", "dccp"]


def verified(pktlab: Any, path: Path, *options: object) -> dict[str, Any]:
    document = json.loads(pktlab("checksum", "verify", path, "--json", *options).out)
    assert isinstance(document, dict)
    return document


class TestVerify:
    def test_the_document_has_every_protocol_and_verdict(self, pktlab: Any, good: Path) -> None:
        document = verified(pktlab, good)
        assert list(document) == [
            "file", "packets", *CONTRACT, "quoted", "diagnosis", "findings", "findings_total",
        ]  # fmt: skip
        for protocol in CONTRACT:
            assert list(document[protocol]) == [str(verdict) for verdict in Verdict]
        assert (document["ip"]["good"], document["udp"]["good"], document["tcp"]["good"]) == (3, 3, 0)
        assert (document["findings"], document["findings_total"], document["quoted"]) == ([], 0, 0)

    def test_status_1_for_a_wrong_sum(self, pktlab: Any, good: Path, bad: Path) -> None:
        assert pktlab("checksum", "verify", good).status == 0
        assert pktlab("checksum", "verify", bad).status == 1
        assert pktlab("checksum", "verify", bad, "--json").status == 1

    def test_a_finding_has_the_place_and_both_values(self, pktlab: Any, bad: Path) -> None:
        document = verified(pktlab, bad)
        (finding,) = document["findings"]
        right = json.loads(pktlab("dissect", bad, "-c", 1, "-e", "udp.checksum").out)["udp.checksum"]
        assert finding.pop("cause") == ""
        assert finding == {
            "frame.number": 2, "layer": 2, "offset": 40, "protocol": "udp", "verdict": "bad", "note": "",
            "found": 0x1234, "expected": right,
        }  # fmt: skip

    def test_partial_alone_is_no_fault(
        self, pktlab: Any, first_light: Path, tmp_path: Path, write_capture: Any
    ) -> None:
        records = [record for record in open_capture(first_light) if record.number in (39, 40)]
        path = write_capture(tmp_path / "partial.pcapng", [replace(one, interface_id=None) for one in records])
        result = pktlab("checksum", "verify", path)
        assert result.status == 0
        assert "no damage" in result.out

    def test_first_light(self, pktlab: Any, first_light: Path) -> None:
        document = verified(pktlab, first_light)
        assert document["packets"] == 40
        assert document["udp"] == {
            "good": 11, "bad": 1, "partial": 2, "absent": 0, "illegal-zero": 0, "unverified": 0, "malformed": 0,
        }  # fmt: skip
        assert document["quoted"] == 1
        assert [one["frame.number"] for one in document["findings"]] == [28, 39, 40]

    def test_a_fragmented_datagram_counts_once_where_it_completes(
        self, pktlab: Any, first_light: Path, tmp_path: Path, write_capture: Any
    ) -> None:
        fragments = [replace(one, interface_id=None) for one in open_capture(first_light) if 22 <= one.number <= 24]
        whole = verified(pktlab, write_capture(tmp_path / "whole.pcapng", fragments))
        assert (whole["udp"]["good"], whole["udp"]["unverified"]) == (1, 0)
        cut = verified(pktlab, write_capture(tmp_path / "cut.pcapng", fragments[:2]), "--all")
        assert (cut["udp"]["good"], cut["udp"]["unverified"]) == (0, 1)
        assert [one["verdict"] for one in cut["findings"]] == ["unverified"]

    def test_all_lists_absent_ones_too(self, pktlab: Any, tmp_path: Path, datagram: Any, write_capture: Any) -> None:
        path = write_capture(tmp_path / "absent.pcap", [datagram(checksum=0)])
        assert verified(pktlab, path)["findings_total"] == 0
        assert [one["verdict"] for one in verified(pktlab, path, "--all")["findings"]] == ["absent"]
        assert pktlab("checksum", "verify", path).status == 0

    def test_limit_bounds_the_list_and_not_the_count(
        self, pktlab: Any, tmp_path: Path, datagram: Any, write_capture: Any
    ) -> None:
        path = write_capture(tmp_path / "many.pcap", [datagram(bytes([n]), checksum=0x1111 + n) for n in range(9)])
        document = verified(pktlab, path, "--limit", 4)
        assert (len(document["findings"]), document["findings_total"]) == (4, 9)
        out = pktlab("checksum", "verify", path, "--limit", 4).out
        assert out.endswith("and 5 more; --limit N lists N of them\n")

    def test_the_text_names_frame_values_and_cause(self, pktlab: Any, first_light: Path) -> None:
        out = pktlab("checksum", "verify", first_light).out
        assert "frame 28  udp     bad           byte 40     found 0x" in out
        assert "consistent with one flipped bit" in out
        assert max(map(len, out.splitlines()[1:])) <= 80


class TestDiagnosis:
    @pytest.fixture
    def sentence(self, pktlab: Any, tmp_path: Path, write_capture: Any) -> Any:
        """Return the diagnosis of a capture of some packets."""
        return lambda records: verified(pktlab, write_capture(tmp_path / "a.pcap", records))["diagnosis"]

    def test_all_right(self, pktlab: Any, good: Path) -> None:
        assert verified(pktlab, good)["diagnosis"] == "Right: all 6 checksums that could be judged."

    def test_nothing_to_judge(self, sentence: Any) -> None:
        assert sentence([]) == "There is no checksum in it."

    def test_one_wrong(self, pktlab: Any, bad: Path) -> None:
        assert verified(pktlab, bad)["diagnosis"].startswith("One udp checksum is wrong, in frame 2: ")

    def test_wrong_by_the_same_difference(self, sentence: Any, datagram: Any) -> None:
        records = []
        for n in range(4):
            right = datagram(bytes([n, 7 * n]))
            data = right.data[:34] + (0x3A98).to_bytes(2, "big") + right.data[36:]  # the port, and not the sum
            records.append(replace(right, data=data))
        text = sentence(records)
        assert text.startswith("4 checksums are wrong, 4 of 8 from 192.0.2.1, all by 0x")
        assert text.endswith("an address or port was rewritten without updating them.")

    def test_one_trivial_value(self, sentence: Any, datagram: Any) -> None:
        text = sentence([datagram(bytes([n]), checksum=0xABAB) for n in range(3)])
        assert text.endswith("all 0xabab: checksum offload that fills in nothing.")

    def test_damage_without_a_pattern_is_not_explained(self, sentence: Any, datagram: Any) -> None:
        text = sentence([datagram(bytes([n]), checksum=0x1111 * (n + 1)) for n in range(3)])
        assert text == "3 checksums are wrong, 3 of 6 from 192.0.2.1."


class TestExplain:
    def test_a_frame(self, pktlab: Any, first_light: Path) -> None:
        out = pktlab("checksum", "explain", first_light, "--frame", 28, "--protocol", "udp").out
        assert out.startswith("udp checksum of layer 2")
        assert "pseudo-header" in out
        assert "verdict: bad" in out
        assert "ip checksum" not in out

    def test_all_of_a_packet(self, pktlab: Any, good: Path) -> None:
        out = pktlab("checksum", "explain", good, "--frame", 1).out
        assert "ip checksum of layer 1" in out
        assert "udp checksum of layer 2" in out
        assert pktlab("checksum", "explain", good, "--frame", 1, "--layer", "udp").out in out

    def test_status_0_whatever_it_finds(self, pktlab: Any, bad: Path) -> None:
        assert pktlab("checksum", "explain", bad, "--frame", 2).status == 0

    def test_bytes(self, pktlab: Any) -> None:
        packet = "4500001c00000000401166cd0a0000010a0000020001000200080000"
        out = pktlab("checksum", "explain", "--hex", packet, "--as", "ip", "--protocol", "udp").out
        assert "verdict: absent" in out

    def test_a_protocol_that_is_not_there(self, pktlab: Any, good: Path) -> None:
        err = pktlab("checksum", "explain", good, "--frame", 1, "--protocol", "tcp").err
        assert err == "pktlab: packet 1 has no tcp checksum; it has those of ip, udp\n"

    def test_a_whole_datagram_on_its_last_fragment(self, pktlab: Any, first_light: Path) -> None:
        out = pktlab("checksum", "explain", first_light, "--frame", 24, "--protocol", "udp").out
        assert "frames 22, 23, 24" in out
        assert "verdict: good" in out


class TestCompute:
    @pytest.mark.parametrize(
        ("text", "sum_"),
        [("0001 f203 f4f5 f6f7", "0x220d"), ("666055558f0c", "0xb53d"), ("00", "0xffff"), ("ff", "0x00ff")],
    )
    def test_hex(self, text: str, sum_: str, pktlab: Any) -> None:
        assert pktlab("checksum", "compute", "--hex", text) == (0, f"{sum_}\n", "")

    def test_an_initial_sum(self, pktlab: Any) -> None:
        for start in ("0x0001", "1"):
            assert pktlab("checksum", "compute", "--hex", "f203 f4f5 f6f7", "--initial", start).out == "0x220d\n"

    def test_text_file_and_stdin_agree(self, pktlab: Any, tmp_path: Path) -> None:
        (tmp_path / "é").write_bytes("hé".encode())
        expected = pktlab("checksum", "compute", "--text", "hé").out
        assert pktlab("checksum", "compute", tmp_path / "é").out == expected
        assert pktlab("checksum", "compute", "-", stdin="hé".encode()).out == expected

    def test_word_by_word(self, pktlab: Any) -> None:
        out = pktlab("checksum", "compute", "--hex", "666055558f0c", "-V").out
        assert "6660 5555 8f0c" in out
        assert "complement  0xb53d" in out

    def test_a_file_of_several_chunks(self, pktlab: Any, tmp_path: Path) -> None:
        from pktlab.wire.checksum import checksum

        data = bytes(range(251)) * 10_001
        (tmp_path / "large").write_bytes(data)
        assert pktlab("checksum", "compute", tmp_path / "large").out == f"{checksum(data):#06x}\n"
