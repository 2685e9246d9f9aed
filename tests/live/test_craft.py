"""Crafted bytes are Scapy's own, nothing is asked of machine or network, and a mistake is answered with its place."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import pktlab
from pktlab.errors import ExpressionError, PktlabError
from tests.agreement.expressions import EXPRESSIONS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Scapy looks for ciphers that newer libraries have moved
    scapy = pytest.importorskip("scapy.all", reason="Scapy is not installed")
    from scapy.contrib import geneve, gtp, lldp, mpls

NAMES = {**vars(scapy), **vars(geneve), **vars(gtp), **vars(lldp), **vars(mpls)}


def crafted(expression: str, **options: Any) -> list[bytes]:
    made = pktlab.craft(expression, **options)
    return [one.data for one in (made if isinstance(made, list) else [made])]


def scapys(expression: str) -> list[bytes]:
    """What Scapy makes of the same text, evaluated: these expressions are our own."""
    made = eval(expression, dict(NAMES))
    return [bytes(packet) for one in (made if isinstance(made, list) else [made]) for packet in one]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_bytes_are_scapys_own(expression: str) -> None:
    assert [one.hex() for one in crafted(expression)] == [one.hex() for one in scapys(expression)]


def test_there_are_two_hundred_of_them() -> None:
    assert len(set(EXPRESSIONS)) >= 200


words = st.integers(0, 0xFFFF)
addresses = st.ip_addresses(v=4).map(str)


@given(
    addresses, addresses, words, words, st.binary(max_size=30), st.integers(0, 255), st.text("SAFRPUEC", max_size=3)
)  # fmt: skip
def test_any_values_give_scapys_bytes(
    src: str, dst: str, sport: int, dport: int, body: bytes, ttl: int, flags: str
) -> None:
    low = f"IP(src={src!r}, dst={dst!r}, ttl={ttl})"
    for above in (f"UDP(sport={sport}, dport={dport})", f"TCP(sport={sport}, dport={dport}, flags={flags!r})"):
        expression = f"{low}/{above}/{body!r}"
        assert crafted(expression) == scapys(expression)


def test_one_is_a_packet_and_several_are_a_list() -> None:
    one = pktlab.craft("IP()/UDP()")
    assert isinstance(one, pktlab.Packet)
    assert (one["udp.dstport"], one["udp.checksum.verdict"], one.link_type) == (53, "good", 101)
    several = pktlab.craft("IP(ttl=(1, 3))/UDP()")
    assert isinstance(several, list)
    assert [(packet.number, packet["ip.ttl"]) for packet in several] == [(1, 1), (2, 2), (3, 3)]
    assert isinstance(pktlab.craft("[IP()]"), list)


@pytest.mark.parametrize(
    ("expression", "link_type", "first"),
    [
        ("Ether()/b'x'", 1, "eth"), ("Dot3()/LLC()", 1, "eth"), ("IPv6()/UDP()", 101, "ipv6"),
        ("CookedLinux()/IP()", 113, "sll"), ("PPP()/IP()", 9, "ppp"), ("UDP()/b'x'", 147, "udp"), ("b'x'", 147, "data"),
        ("UdpLite()/b'x'", 147, "udplite"),
    ],
)  # fmt: skip
def test_a_packet_knows_what_it_starts_with(expression: str, link_type: int, first: str) -> None:
    packet = pktlab.craft(expression)
    assert isinstance(packet, pktlab.Packet)
    assert (packet.link_type, packet.layers[0].protocol) == (link_type, first)


@pytest.mark.parametrize(
    ("expression", "field", "value"),
    [
        ("IP()", "ip.src", "127.0.0.1"), ('IP(dst="127.9.9.9")', "ip.src", "127.0.0.1"),
        ('IP(dst="192.0.2.1")', "ip.src", "0.0.0.0"), ("IPv6()", "ipv6.src", "::1"),
        ('IPv6(dst="2001:db8::1")', "ipv6.src", "::"), ("ARP()", "arp.src.proto_ipv4", "0.0.0.0"),
        ("ARP()", "arp.src.hw_mac", "00:00:00:00:00:00"), ("Ether()/IP()", "eth.dst", "ff:ff:ff:ff:ff:ff"),
        ("Ether()/IP()", "eth.src", "00:00:00:00:00:00"), ("Ether()/ARP(op=2)", "eth.dst", "ff:ff:ff:ff:ff:ff"),
        ('Ether()/IP(dst="239.1.2.3")', "eth.dst", "01:00:5e:01:02:03"),
        ('Ether()/IPv6(dst="ff02::1:2")', "eth.dst", "33:33:00:01:00:02"),
        ('Ether()/IP(dst="192.0.2.1")', "eth.dst", "ff:ff:ff:ff:ff:ff"), ("IP()", "ip.ttl", 64), ("IP()", "ip.id", 1),
        ("IP()/TCP()", "tcp.window_size_value", 8192), ("IP()/UDP()/NTP()", "udp.dstport", 123),
    ],
)  # fmt: skip
def test_what_scapy_would_ask_for_is_a_constant(expression: str, field: str, value: Any) -> None:
    packet = pktlab.craft(expression)
    assert isinstance(packet, pktlab.Packet)
    assert packet[field] == value


def test_the_time_is_no_input() -> None:
    assert crafted("IP()/UDP()/NTP()")[0][-8:] == bytes(8)


@pytest.mark.parametrize(
    ("expression", "at", "said"),
    [
        ("IP()/Udp()", 5, "no layer is called Udp, did you mean UDP?"),
        ("Ipp()", 0, "no layer is called Ipp, did you mean IP?"),
        ("IP(tll=1)", 3, "IP has no field tll, did you mean ttl?"),
        ("UDP(dstport=1)", 4, "UDP has no field dstport, did you mean dport?"),
        ("TCP(window_size_value=1)", 4, "did you mean window?"),
        ("IP(dst='localhost')", 7, "names are not looked up"),
        ("IP(dst='10.0.0.0/33')", 7, "no IPv4 address or network"),
        ("IP(dst=['10.0.0.1', 'b'])", 7, "'b' is no IPv4 address"),
        ("IP(dst='224.0.0.1%lo')", 7, "no IPv4 address"),
        ("IPv6(dst='10.0.0.1')", 9, "no IPv6 address"),
        ("ARP(pdst='host')", 9, "no IPv4 address"),
        ("IP(dst=RandIP('host'))", 7, "no IPv4 address"),
        ("IPv6ExtHdrRouting(addresses=['ns.example'])", 28, "names are not looked up"),
        ("DNS(an=DNSRR(type='A', rdata='localhost'))", 29, "names are not looked up"),
        ("BOOTP()/DHCP(options=[('name_server', 'ns.example')])", 21, "names are not looked up"),
        ("Ether(dst='nobody')", 10, "no MAC address"),
        ("Ether(dst=b'abc')", 10, "3 bytes are no MAC address"),
        ("IP(ttl=256)", 7, "256 does not fit ttl: 0 to 255"),
        ("IP(frag=0x2000)", 8, "8192 does not fit frag: 0 to 8191"),
        ("IP(ttl=[1, -1])", 7, "-1 does not fit ttl"),
        ("IP(ttl='x')", 7, "ttl"),
        ("TCP(flags='Z')", 10, "flags does not take this"),
        ("IP(b'abc')", 0, "do not read as IP"),
        ("IP(_pkt=b'x')", 3, "IP has no field _pkt"),
        ("IP(dst='10.0.0.0/8')", 0, "more than 65,536 packets"),
        ("IP(id=range(300), ttl=range(1, 251))", 0, "more than 65,536 packets"),
        ("[IP(id=range(40000)), IP(id=range(40000))]", 22, "more than 65,536 packets"),
        ("IP()/(b'x'*65530)", 0, "Scapy cannot build it"),
        ("Raw(b'x'*262144)/(b'x'*262144)", 0, "too many bytes"),
    ],
)
def test_a_mistake_is_answered_with_its_place(expression: str, at: int, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        pktlab.craft(expression)
    assert said in caught.value.why
    assert caught.value.at == at
    assert "\n" not in str(caught.value)


def test_dice_start_from_the_seed() -> None:
    line = 'IP(id=RandShort(), src=RandIP("10.0.0.0/8"))/UDP(sport=RandNum(7, 9))/Raw(RandString(5))'.replace(
        "Raw(RandString(5))", "Raw(load=RandString(5))"
    )
    assert crafted(line, seed=7) == crafted(line, seed=7)
    assert len({tuple(crafted(line, seed=seed)) for seed in range(9)}) == 9
    ether = pktlab.craft("Ether(src=RandMAC())/IP()", seed=1)
    assert isinstance(ether, pktlab.Packet)
    assert ether["eth.src"] != "00:00:00:00:00:00"


def test_dice_of_others_go_on_where_they_were() -> None:
    import random

    random.seed(3)
    expected = [random.random(), random.random()]
    random.seed(3)
    first = random.random()
    pktlab.craft("IP(id=RandShort())", seed=1)
    assert [first, random.random()] == expected


def test_a_protocol_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from construct import GreedyBytes, Int8ub, this\n"
        "from pktlab.wire import AUTO, Bounded, Header, field\n"
        "class Note(Header, layer='note'):\n"
        "    kind: int = field(Int8ub)\n"
        "    length: int = field(Int8ub, default=AUTO)\n"
        "    text: bytes = field(Bounded(this.length, GreedyBytes), default=b'')\n"
    )
    note = pktlab.load_schema(f"{tmp_path / 'mine.py'}:Note")
    packet = pktlab.craft('IP()/UDP(sport=1)/Note(kind=3, text=b"hi")', protocols={"udp.port=9999": note})
    assert isinstance(packet, pktlab.Packet)
    assert (packet["udp.dstport"], packet["note.length"], packet["note.text"]) == (9999, 2, b"hi")
    with pytest.raises(ExpressionError, match="Note has no field knd, did you mean kind"):
        pktlab.craft("Note(knd=3)", protocols={"udp.port=9999": note})


QUIET = """
import ipaddress, sys, warnings
warnings.simplefilter("ignore")
import pktlab, pktlab.live.building
from tests.agreement.expressions import EXPRESSIONS
from scapy.config import conf
from scapy.route import Route
from scapy.route6 import Route6

asked = []
def watch(event, args):
    if event == "socket.getaddrinfo":
        ipaddress.ip_address(args[0])  # an address is no name, and nobody is asked for it
    elif event.startswith(("socket.", "subprocess.", "os.system", "os.posix_spawn", "os.exec", "os.fork")):
        asked.append(event)
def refuse(*args, **more):
    raise SystemExit("the machine was asked")

sys.addaudithook(watch)
Route.route = Route6.route = conf.neighbor.resolve = refuse
OPEN = ["Ether()/IP(dst='192.0.2.1')/UDP()", "Ether()/IPv6(dst='2001:db8::1')/ICMPv6ND_NS()", "Ether()/ARP()",
        "Ether()/Dot1Q()/IP(dst=['192.0.2.1', '192.0.2.7'])", "IPv6()/UDP()/DHCP6_Solicit()"]
for expression in [*EXPRESSIONS, *OPEN]:
    pktlab.craft(expression)
for expression in ["IP(dst='no.such.name')", "BOOTP()/DHCP(options=[('router', 'no.such.name')])",
                   "IPv6ExtHdrRouting(addresses=['no.such.name'])", "DNSRR(type='AAAA', rdata='no.such.name')"]:
    try:
        pktlab.craft(expression)
    except pktlab.ExpressionError:
        continue
    raise SystemExit(f"{expression} was not refused")
print(sorted(set(asked)))
"""


def test_nothing_is_asked_of_machine_or_network() -> None:
    command = [sys.executable, "-c", QUIET]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=root)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_a_line_that_does_not_read_is_answered_without_scapy() -> None:
    code = (
        "import sys, pktlab\n"
        "try: pktlab.craft('IP(ttl=x.y)')\n"
        "except pktlab.ExpressionError: print('scapy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


def test_our_own_modules_need_nothing_of_linux() -> None:
    code = (
        "import sys, builtins\n"
        "import scapy.layers.inet\n"  # which asks for what its system has
        "for name in ('fcntl', 'pwd', 'grp', 'termios', 'resource', 'posix'): sys.modules[name] = None\n"
        "import pktlab, pktlab.live.as_layer, pktlab.live.craft_line\n"
        "packet = pktlab.craft('Ether()/IP()/UDP()/b\"x\"')\n"
        "print(pktlab.craft_line(packet))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "Ether()/IP()/UDP()/b'x'\n", done.stderr


def test_no_value_is_no_packet() -> None:
    with pytest.raises(PktlabError, match="no packet: a list of values is empty"):
        pktlab.craft("IP(ttl=[])/UDP()")


pieces = st.sampled_from(
    ["IP", "UDP", "TCP", "DNS", "Ether", "ARP", "Raw", "DHCP", "ICMPv6ND_NS", "IPOption", "UdpLite"]
)
fields = st.sampled_from(
    ["ttl", "dst", "src", "options", "qd", "len", "flags", "load", "dport", "chksum", "tgt", "checksum", "pdst", "frag"]
)
values = st.sampled_from(
    ["1", "-1", "300", "'x'", "b'x'", "None", "[]", "[1]", "(1, 2)", "[('MSS', 1)]", "IP()", "[IP()]", "'10.0.0.1'",
     "1.5", "True", "RandShort()", "range(2)", "'::1'", "(b'x', 1, 2)", "[None]", "''", "2**3", "99999999999999999999"]
)  # fmt: skip


@given(st.lists(st.tuples(pieces, st.lists(st.tuples(fields, values), max_size=2)), min_size=1, max_size=3))
def test_any_fields_give_packets_or_one_error(layers: list[tuple[str, list[tuple[str, str]]]]) -> None:
    expression = "/".join(f"{name}({', '.join(f'{key}={value}' for key, value in said)})" for name, said in layers)
    try:
        assert pktlab.craft(expression)
    except PktlabError:
        event("refused")
