"""``dissect -w``: slices, merges and conversions, beside editcap, mergecap, capinfos and tshark."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pktlab.capture import Interface, Record, open_capture, open_writer

START_NS = 1_700_000_000_000_000_000


def facts(path: Path) -> list[tuple[Any, ...]]:
    with open_capture(path) as reader:
        found = [(one.time_ns, one.data, one.length, one.link_type, one.flags, one.comments) for one in reader]
        assert reader.damage is None
    return found


def oracle(*words: object, cwd: Path | None = None) -> str:
    if not shutil.which(str(words[0])):
        pytest.skip(f"{words[0]} is not installed")
    return subprocess.run([*map(str, words)], cwd=cwd, check=True, capture_output=True, text=True).stdout


def shown(path: Path) -> str:
    """Return what tshark reads in a capture: time, lengths, interface and comment of every frame."""
    fields = (
        "frame.time_epoch",
        "frame.cap_len",
        "frame.len",
        "frame.interface_name",
        "frame.comment",
        "frame.protocols",
    )
    return oracle("tshark", "-n", "-r", path, "-T", "fields", *[word for field in fields for word in ("-e", field)])


class TestSlice:
    @pytest.mark.parametrize("frames", ["3-7", "5", "-4", "38-", "2-3,10,39-99"])
    def test_by_number_as_editcap(self, frames: str, pktlab: Any, first_light: Path, tmp_path: Path) -> None:
        assert pktlab("dissect", first_light, "--frames", frames, "-w", tmp_path / "ours.pcapng") == (0, "", "")
        words = [
            f"1{part}" if part[0] == "-" else f"{part}999" if part[-1] == "-" else part for part in frames.split(",")
        ]
        oracle("editcap", "-r", first_light, tmp_path / "theirs.pcapng", *words)
        assert facts(tmp_path / "ours.pcapng") == facts(tmp_path / "theirs.pcapng")
        assert shown(tmp_path / "ours.pcapng") == shown(tmp_path / "theirs.pcapng")

    def test_by_time_as_editcap(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        after, before = "2023-11-14T22:13:20.001Z", "2023-11-14T22:13:20.002Z"
        pktlab("dissect", good, "--after", after, "--before", before, "-w", tmp_path / "ours.pcapng")
        oracle("editcap", "-A", after, "-B", before, good, tmp_path / "theirs.pcapng")
        assert facts(tmp_path / "ours.pcapng") == facts(tmp_path / "theirs.pcapng")
        assert len(facts(tmp_path / "ours.pcapng")) == 1

    @pytest.mark.parametrize(
        ("options", "numbers"),
        [
            (["--after", "1700000000.001"], [2, 3]),
            (["--before", "+0.002"], [1, 2]),
            (["--after", "+0.001", "--before", "+0.002"], [2]),
            (["--frames", "2-", "--before", "2023-11-14 22:13:20.002"], [2]),
            (["--after", "2023-11-15T00:13:20.001+02:00", "-c", "1"], [2]),
            (["--after", "2024-01-01"], []),
            (["--frames", "1,3"], [1, 3]),
            (["--frames", "2-", "-c", "1"], [2]),
        ],
        ids=["from", "before", "both", "date", "zone", "none", "two", "limit"],
    )
    def test_what_is_shown_is_what_is_written(
        self, options: list[str], numbers: list[int], pktlab: Any, good: Path, tmp_path: Path
    ) -> None:
        lines = pktlab("dissect", good, *options).out.splitlines()
        assert [int(line.split()[0]) for line in lines] == numbers
        pktlab("dissect", good, *options, "-w", tmp_path / "out.pcapng")
        every = facts(good)
        assert facts(tmp_path / "out.pcapng") == [every[number - 1] for number in numbers]

    @pytest.mark.parametrize(
        "options",
        [
            ["--frames", "0"],
            ["--frames", "5-4"],
            ["--frames", "-"],
            ["--frames", "1;2"],
            ["--after", "tomorrow"],
            ["--before", "2023-13-01"],
            ["--frame", "1", "--frames", "1"],
        ],
        ids=" ".join,
    )
    def test_what_makes_no_sense_is_refused(self, options: list[str], pktlab: Any, good: Path) -> None:
        status, out, err = pktlab("dissect", good, *options)
        assert (status, out, err.count("\n")) == (2, "", 1)

    def test_names_and_secrets_behind_the_last_wanted_packet_are_kept(self, pktlab: Any, tmp_path: Path) -> None:
        path = tmp_path / "names.pcapng"
        save(path, [record(n, comment="") for n in range(1, 9)])
        path.write_bytes(path.read_bytes() + NAMES)
        pktlab("dissect", path, "--frames", "1-2", "-w", tmp_path / "slice.pcapng")
        with open_capture(tmp_path / "slice.pcapng") as reader:
            assert len(list(reader)) == 2
            assert reader.names == {"192.0.2.1": "host1"}


NAMES = bytes.fromhex("04000000 20000000 01000a00 c0000201 686f7374 31000000 00000000 20000000")
SECRETS = bytes.fromhex("0a000000 18000000 4b534c54 04000000 61626364 18000000")


def record(number: int, link_type: int = 1, comment: str = "said", flags: int | None = 1) -> Record:
    comments = (comment,) if comment else ()
    return Record(number, START_NS + number, bytes([number]) * 60, 60, link_type, comments=comments, flags=flags)


def save(path: Path, records: list[Record], name: str = "eth0") -> Path:
    with open_writer(path) as writer:
        for one in records:
            writer.write(one, interface(one.link_type, name))
    return path


_INTERFACES: dict[tuple[int, str], Interface] = {}


def interface(link_type: int, name: str) -> Interface:
    """Return one and the same interface for a link type and a name, as a capture has it."""
    new = Interface(link_type, name=name, ticks_per_second=10**9)
    return _INTERFACES.setdefault((link_type, name), new)


class TestMerge:
    """At one time the file that is named first goes first; mergecap takes the last one first."""

    def test_by_time_as_mergecap(self, pktlab: Any, tmp_path: Path) -> None:
        save(tmp_path / "a.pcapng", [record(n) for n in (1, 4, 4, 8)], "a0")
        save(tmp_path / "b.pcapng", [record(n, 101) for n in (2, 5, 9)], "b0")
        save(tmp_path / "c.pcapng", [record(n) for n in (3,)], "c0")
        sources = [tmp_path / name for name in ("a.pcapng", "b.pcapng", "c.pcapng")]
        assert pktlab("dissect", *sources, "-w", tmp_path / "ours.pcapng") == (0, "", "")
        oracle("mergecap", "-w", tmp_path / "theirs.pcapng", *sources)
        assert facts(tmp_path / "ours.pcapng") == facts(tmp_path / "theirs.pcapng")
        assert shown(tmp_path / "ours.pcapng") == shown(tmp_path / "theirs.pcapng")

    def test_packets_are_shown_merged_and_numbered_anew(self, pktlab: Any, good: Path, bad: Path) -> None:
        out = pktlab("dissect", good, "-r", bad).out
        assert [int(line.split()[0]) for line in out.splitlines()] == [1, 2, 3, 4, 5]
        last = pktlab("dissect", good, bad, "--frames", "4-").out
        assert [line.split()[2:] for line in last.splitlines()] == [line.split()[2:] for line in out.splitlines()[3:]]

    def test_standard_input_is_one_of_them(self, pktlab: Any, good: Path, bad: Path) -> None:
        assert pktlab("dissect", "-", bad, stdin=good.read_bytes()).out == pktlab("dissect", good, bad).out

    def test_each_damaged_file_is_named(self, pktlab: Any, good: Path, cut: Path) -> None:
        status, out, err = pktlab("dissect", cut, good, cut)
        assert (status, out.count("\n"), err.count(f"pktlab: {cut}: damaged")) == (3, 7, 2)

    def test_one_that_cannot_be_read_ends_it(self, pktlab: Any, good: Path) -> None:
        status, out, err = pktlab("dissect", good, "no.pcap")
        assert (status, out, err) == (2, "", "pktlab: no.pcap: no such file\n")


class TestConvert:
    @pytest.mark.parametrize(
        ("name", "options", "magic"),
        [
            ("a.pcap", [], b"\x4d\x3c\xb2\xa1"),
            ("a.pcapng", [], b"\x0a\x0d\x0d\x0a"),
            ("a.pcapng", ["-F", "pcap"], b"\x4d\x3c\xb2\xa1"),
            ("a.bin", ["--format", "pcap"], b"\x4d\x3c\xb2\xa1"),
            ("a.pcap", ["--format", "pcapng"], b"\x0a\x0d\x0d\x0a"),
            ("a.pcap.gz", [], b"\x1f\x8b"),
            ("a.pcap.zst", [], b"\x28\xb5\x2f\xfd"),
        ],
    )
    def test_the_ending_or_the_option_says_how(
        self, name: str, options: list[str], magic: bytes, pktlab: Any, good: Path, tmp_path: Path
    ) -> None:
        assert pktlab("dissect", good, "-w", tmp_path / name, *options) == (0, "", "")
        assert (tmp_path / name).read_bytes().startswith(magic)
        assert facts(tmp_path / name) == facts(good)
        if not name.endswith("zst"):
            assert "Number of packets = 3" in oracle("capinfos", "-c", "-M", tmp_path / name).replace(":   ", " = ")

    def test_to_standard_output(self, program: Any, good: Path, tmp_path: Path) -> None:
        done = program("dissect", good, "-w", "-", "-F", "pcap")
        (tmp_path / "out").write_bytes(done.stdout)
        assert (done.returncode, done.stderr, facts(tmp_path / "out")) == (0, b"", facts(good))

    def test_a_pcapng_keeps_everything(self, pktlab: Any, tmp_path: Path) -> None:
        path = save(tmp_path / "a.pcapng", [record(n, 1 if n % 2 else 101) for n in range(1, 9)])
        path.write_bytes(path.read_bytes() + NAMES + SECRETS)
        assert pktlab("dissect", path, "-w", tmp_path / "b.pcapng.zst") == (0, "", "")
        assert facts(tmp_path / "b.pcapng.zst") == facts(path)
        with open_capture(path) as old, open_capture(tmp_path / "b.pcapng.zst") as new:
            assert (len(list(old)), len(list(new))) == (8, 8)
            assert [(one.name, one.link_type) for one in new.interfaces] == [("eth0", 1), ("eth0", 101)]
            assert [(one.kind, one.body) for one in new.blocks] == [(one.kind, one.body) for one in old.blocks]
            assert new.names == {"192.0.2.1": "host1"}

    def test_what_a_pcap_cannot_hold_is_said(self, pktlab: Any, tmp_path: Path) -> None:
        path = save(tmp_path / "a.pcapng", [record(n) for n in (1, 2)])
        path.write_bytes(path.read_bytes() + NAMES + SECRETS)
        status, out, err = pktlab("dissect", path, "-w", tmp_path / "b.pcap")
        assert (status, out) == (0, "")
        assert err == (
            f"pktlab: {tmp_path / 'b.pcap'}: pcap cannot hold 1 decryption secrets block, 1 interface name, "
            "1 name resolution block, 2 packet comments, 2 sets of packet flags: left out; "
            "write pcapng to keep them\n"
        )
        assert [one[:4] for one in facts(tmp_path / "b.pcap")] == [one[:4] for one in facts(path)]

    def test_several_link_types_are_refused_with_what_to_do(self, pktlab: Any, tmp_path: Path) -> None:
        path = save(tmp_path / "a.pcapng", [record(1), record(2, 101)])
        status, out, err = pktlab("dissect", path, "-w", tmp_path / "b.pcap")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.endswith(
            "packet 2 has link type raw IP after Ethernet, which pcap cannot hold: write pcapng instead\n"
        )
        assert not (tmp_path / "b.pcap").exists()

    def test_fix_says_so_too(self, pktlab: Any, tmp_path: Path, datagram: Any) -> None:
        path = save(tmp_path / "a.pcapng", [replace(datagram(), comments=("said",))], "")
        err = pktlab("checksum", "fix", path, "-w", tmp_path / "b.pcap").err
        assert "pcap cannot hold 1 packet comment: left out; write pcapng to keep them" in err
        assert pktlab("checksum", "fix", path, "-w", tmp_path / "b.pcap", "-F", "pcapng").err.count("\n") == 1

    def test_a_file_may_be_written_over_itself(self, pktlab: Any, good: Path) -> None:
        whole = facts(good)
        assert pktlab("dissect", good, "--frames", "2-", "-w", good).status == 0
        assert facts(good) == whole[1:]


class TestOtherShapes:
    def test_a_hex_dump_is_read(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        dump = oracle("tcpdump", "-n", "-tt", "-xx", "-r", good)
        (tmp_path / "dump.txt").write_text(dump)
        lines = pktlab("dissect", tmp_path / "dump.txt")
        assert lines == pktlab("dissect", good)
        assert pktlab("dissect", "-", stdin=dump.encode()) == lines
        assert pktlab("checksum", "verify", tmp_path / "dump.txt").status == 0
        assert pktlab("dissect", tmp_path / "dump.txt", "-w", tmp_path / "out.pcap") == (0, "", "")
        assert facts(tmp_path / "out.pcap") == facts(good)

    def test_a_dump_without_times_becomes_a_pcap(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        (tmp_path / "dump.txt").write_text(oracle("tshark", "-n", "-x", "-r", good))
        status, _, err = pktlab("dissect", tmp_path / "dump.txt", "-w", tmp_path / "out.pcap")
        assert (status, "pcap cannot hold 3 unknown times: 0 is written" in err) == (0, True)
        assert [one[1] for one in facts(tmp_path / "out.pcap")] == [one[1] for one in facts(good)]

    def test_other_captures_are_named(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        oracle("editcap", "-F", "snoop", good, tmp_path / "a.snoop")
        shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path, good.name)
        for name, what in (("a.snoop", "a Solaris snoop file"), ("a.zip", f"a ZIP archive that holds {good.name}")):
            status, _, err = pktlab("dissect", tmp_path / name)
            assert (status, err.count("\n"), what in err) == (2, 1, True)
