"""Real captures against tshark 4.0.17: which packets a file has, and what it says of each.

Every difference is in one of the tables below, with its reason; a difference that ends is as much a failure as a new
one. `PKTLAB_CORPUS` names the folder: see the README in it.
"""

from __future__ import annotations

import io
import random
import re
from collections import defaultdict

import pytest

from pktlab.capture import open_capture, open_writer
from pktlab.errors import CaptureError, DamagedCapture, PktlabError

FUZZ = "PcapPlusPlus/Tests/Fuzzers/RegressionTests/"
SAMPLES = f"{FUZZ}regression_samples/"
MINIMIZED = f"{SAMPLES}clusterfuzz-testcase-minimized-FuzzTarget-"
GENERATED = "pcapng-test-generator/output_"

# Another number of packets than tshark says: ours, and why.
UNKNOWN_LINK = "tshark refuses a file whose link type it does not know; the packets are there"
RESERVED_BITS = "tshark refuses reserved bits in the link type; the packets are there"
GUESSED = "tshark takes this fuzzed file for one of Red Hat 6.1, with longer record headers; tcpdump reads it as we do"
CUSTOM_BLOCKS = "tshark shows custom blocks as if they were packets"
OTHER_COUNTS = {
    "tcpdump/tests/brcm-tag.pcap": (23, UNKNOWN_LINK),
    "tcpdump/tests/juniper_monitor_invalid_cookie_length.pcap": (1, UNKNOWN_LINK),
    "tcpdump/tests/vtp_asan.pcap": (5, UNKNOWN_LINK),
    f"{MINIMIZED}5631583764873216": (1, RESERVED_BITS),
    f"{MINIMIZED}5685520970809344": (1, RESERVED_BITS),
    f"{MINIMIZED}5766899836387328": (1, GUESSED),
    f"{SAMPLES}crash-exception-cast-constructed-record": (2, GUESSED),
    "suricata-verify/tests/bug-6875-01/fuzz.pcap": (1, GUESSED),
    f"{GENERATED}be/basic/test018.pcapng": (4, CUSTOM_BLOCKS),
    f"{GENERATED}le/basic/test018.pcapng": (4, CUSTOM_BLOCKS),
    f"{GENERATED}be/advanced/test102.pcapng": (5, CUSTOM_BLOCKS),
    f"{GENERATED}le/advanced/test102.pcapng": (5, CUSTOM_BLOCKS),
    f"{GENERATED}be/difficult/test202.pcapng": (8, CUSTOM_BLOCKS),
    f"{GENERATED}le/difficult/test202.pcapng": (8, CUSTOM_BLOCKS),
}

# Other values than tshark shows, in these columns.
CARRY = {"frame.time_epoch"}  # a fraction of more than a second: tshark does not carry it, and overflows at 2^31 ns
CLAMP = {"frame.len"}  # tshark shows at most 2^31-1
PSEUDO = {"frame.len", "frame.cap_len"}  # tshark takes the 4 bytes of the SunATM pseudo-header off the packet
OTHER_VALUES = {
    f"{FUZZ}clusterfuzz-testcase-minimized-FuzzTarget-4683685084594176": CLAMP,
    f"{SAMPLES}clusterfuzz-testcase-FuzzTarget-5781142119907328": CARRY,
    f"{MINIMIZED}4672344017862656": CARRY,
    f"{MINIMIZED}4829420752470016": CARRY,
    f"{MINIMIZED}5114733584449536": CARRY,
    f"{MINIMIZED}5487001111429120": CARRY,
    f"{MINIMIZED}5654053026791424": CARRY,
    f"{MINIMIZED}5696447256461312": CARRY,
    f"{MINIMIZED}5700358767902720": CARRY | CLAMP,
    f"{MINIMIZED}5723611632762880": CARRY | CLAMP,
    f"{MINIMIZED}5755755617189888": CLAMP,
    f"{MINIMIZED}5758569646653440": CLAMP,
    f"{MINIMIZED}5766939894087680": CARRY,
    f"{MINIMIZED}6223613626941440": CARRY,
    f"{SAMPLES}crash-eec28dafde1f1ac2299674a75a914ae16d4046fa": CARRY,
    "nDPI/tests/cfgs/default/pcap/fuzz-2021-10-13.pcap": CARRY,
    "tcpdump/tests/atm-oam-loopback-print-overrun.pcap": PSEUDO | CARRY,
}
COLUMNS = ("frame.number", "frame.len", "frame.cap_len", "frame.time_epoch")


@pytest.fixture(scope="module")
def status(corpus):
    """What tshark said of each file: exit status, packets, complaint."""
    lines = (corpus / "STATUS.tsv").read_text().splitlines()[1:]
    return {path: (int(code), int(count), why) for path, code, count, why in (line.split("\t") for line in lines)}


def count(path) -> tuple[int, DamagedCapture | None]:
    with open_capture(path) as reader:
        return sum(1 for _ in reader), reader.damage


def test_every_file_has_the_packets_that_tshark_counts(corpus, status):
    others = {}
    for path, (code, expected, complaint) in status.items():
        packets, damage = count(corpus / path)
        if packets != expected:
            others[path] = packets
        elif (code != 0) != (damage is not None):
            raise AssertionError(f"{path}: tshark says {complaint!r}, we say {damage}")
    assert others == {path: packets for path, (packets, _) in OTHER_COUNTS.items()}


def test_damage_is_where_tshark_stops_and_for_its_reason(corpus, status):
    compared = 0
    for path, (code, _, complaint) in status.items():
        if path in OTHER_COUNTS or code == 0:
            continue
        _, damage = count(corpus / path)
        claimed = re.search(r"File has (\d+)-byte packet, bigger than maximum of (\d+)", complaint)
        if claimed:
            length, most = claimed.groups()
            assert damage.why == f"the record claims {length} captured bytes, {most} are the most there can be", path
        else:
            assert "cut short in the middle of a packet" in complaint
            assert "the file ends after" in damage.why, path
        compared += 1
    assert compared == 17


def test_every_packet_is_as_tshark_shows_it(corpus):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    table = parquet.read_table(corpus / "tshark-4.0.17.parquet", columns=["path", *COLUMNS])
    frames = defaultdict(list)
    for path, *row in zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True):
        frames[path].append(tuple(row))
    others = defaultdict(set)
    packets = 0
    for path, rows in frames.items():
        if OTHER_COUNTS.get(path, (0, ""))[1] == CUSTOM_BLOCKS:
            compare_without_custom_blocks(corpus / path, rows)
            continue
        with open_capture(corpus / path) as reader:
            for record, row in zip(reader, rows, strict=False):
                packets += 1
                different = differences(record, row)
                if different:
                    others[path] |= different
                    show_the_difference(record, dict(zip(COLUMNS, row, strict=True)), different)
    assert dict(others) == OTHER_VALUES
    assert packets > 285_000


def differences(record, row) -> set[str]:
    shown = (str(record.number), str(record.length), str(len(record.data)), epoch(record.time_ns))
    return {name for name, ours, theirs in zip(COLUMNS, shown, row, strict=True) if ours != theirs}


def epoch(time_ns: int | None) -> str:
    return "" if time_ns is None else f"{time_ns // 10**9}.{time_ns % 10**9:09d}"


def show_the_difference(record, theirs, different) -> None:
    """Each difference is exactly the one that its reason explains."""
    if different == {"frame.len"}:
        assert theirs["frame.len"] == str(2**31 - 1)
        assert record.length > 2**31 - 1
    if "frame.cap_len" in different:
        assert record.link_type == 123
        assert (int(theirs["frame.len"]) + 4, int(theirs["frame.cap_len"]) + 4) == (record.length, len(record.data))
    if "frame.time_epoch" in different:
        assert wrapped(theirs["frame.time_epoch"]) == record.time_ns % 2**32


def wrapped(shown: str) -> int:
    """Return tshark's time in ns modulo 2^32, in which its overflow of 32 bits does not show.

    A fraction that became negative by it has its sign in front of the seconds.
    """
    seconds, fraction = shown.lstrip("-").split(".")
    return (int(seconds) * 10**9 + (-1 if shown.startswith("-") else 1) * int(fraction)) % 2**32


def compare_without_custom_blocks(path, rows) -> None:
    shown = [(record.length, len(record.data), epoch(record.time_ns)) for record in open_capture(path)]
    theirs = [(int(length), int(captured), time) for _, length, captured, time in rows]
    custom = [row for row in theirs if row not in shown]
    assert [row for row in theirs if row in shown] == shown
    assert {time for _, _, time in custom} == {""}


@pytest.mark.parametrize("largest", [100_000, pytest.param(1 << 40, marks=pytest.mark.thorough)], ids=["small", "all"])
def test_every_file_survives_being_written(corpus, status, largest):
    """Into pcapng all of them; what pcapng cannot hold is said in one line."""
    for path in (one for one in status if (corpus / one).stat().st_size <= largest):
        if OTHER_COUNTS.get(path, (0, ""))[1] == RESERVED_BITS:
            with pytest.raises(CaptureError, match="pcapng cannot hold link type 2105376"):
                rewrite(corpus / path)
            continue
        written = rewrite(corpus / path)
        back = open_capture(io.BytesIO(written))
        for one, other in zip(open_capture(corpus / path), back, strict=True):
            for kept in ("number", "data", "length", "link_type", "flags", "comments", "fcs_len"):
                assert getattr(one, kept) == getattr(other, kept), (path, one.number, kept)
            in_later_section = one.time_ns is None and one.section > 0  # see pcapng_writer.py
            assert other.time_ns == one.time_ns or in_later_section, (path, one.number)
        assert back.damage is None


def rewrite(path) -> bytes:
    file = io.BytesIO()
    with open_capture(path) as reader, open_writer(file, like=reader) as writer:
        for record in reader:
            writer.write(record)
    return file.getvalue()


def test_mutated_files_never_fail_otherwise(corpus, status):
    """Some bytes of each small file are changed: packets or a PktlabError come out, nothing else."""
    dice = random.Random(4)
    paths = [path for path in status if (corpus / path).stat().st_size < 5000]
    mutants = 0
    for path in paths:
        data = bytearray((corpus / path).read_bytes())
        for _ in range(4):
            mutant = bytearray(data)
            for _ in range(dice.randint(1, 8)):
                mutant[dice.randrange(len(mutant))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            read_to_the_end(bytes(mutant))
            mutants += 1
    assert mutants > 3000


def read_to_the_end(data: bytes) -> None:
    try:
        reader = open_capture(io.BytesIO(data))
    except PktlabError:
        return
    for number, record in enumerate(reader, 1):
        assert record.number == number
        assert record.offset + len(record.data) <= len(data) or reader.compression
    if reader.damage is not None:
        assert reader.damage.offset <= len(data) or reader.compression
