"""The filters that tshark and pktlab are both asked, over packets and as text."""

from __future__ import annotations

__all__ = ["ACCEPTED", "ASKED", "REFUSED"]

ASKED = tuple(
    line.strip()
    for line in r"""
eth
eth.type == 0x0800
eth.type == IPv4
eth.dst == ff:ff:ff:ff:ff:ff
eth.dst == ff-ff-ff-ff-ff-ff
eth.addr == ffff.ffff.ffff
eth.src[0:3] == 00:00:00
eth.src[0] & 1
eth.dst[0] & 1 == 1
eth.dst[0] & 0x03 == 3
eth.addr[0] & 0x0f == 2
eth.src > 80:00:00:00:00:00
eth.src in {00:00:00:00:00:00 .. 00:10:ff:ff:ff:ff}
eth.src == eth.dst
eth.src != eth.dst
eth.addr contains 00:0c
eth.dst matches "^\x01\x00\x5e"
eth.len < 100
vlan
vlan.id in {1..100}
vlan.id > 100 or vlan.priority == 7
count(vlan) > 1
vlan.id#2
vlan.id#2 == 200
vlan.etype == 0x86dd
ieee8021ad.id
arp
arp.opcode == request
arp.opcode == 2
arp.src.proto_ipv4 == 192.168.0.0/16
arp.src.proto_ipv4 == arp.dst.proto_ipv4
ip
ip.version == 4
ip.hdr_len > 20
ip.len > 1000
ip.len >= 40 and ip.len <= 60
ip.len == 0x28
ip.len == 050
ip.len == 0b101000
ip.ttl == 64
ip.ttl < 2
ip.ttl == '@'
ip.ttl in {1, 64, 128..255}
ip.proto == 17
ip.proto == UDP
ip.proto == "TCP"
ip.proto > 17
ip.flags.df
ip.flags.df == 1
ip.flags.df == True
ip.flags.df == FALSE
ip.flags.df > 0
ip.flags.mf == 2
ip.flags == 2
ip.frag_offset > 0
ip.frag_offset > 0 or ip.flags.mf == 1
ip.id == 0
ip.id & 1 == 1
ip.id % 2 == 1
ip.checksum == 0x0000
ip.checksum.status == 0
ip.checksum.status == Bad
ip.checksum.status == "Good"
ip.dsfield.ecn != 0
ip.addr == 10.0.0.0/8
ip.addr != 10.0.0.0/8
!(ip.addr == 10.0.0.0/8)
ip.addr !== 10.0.0.0/8
ip.addr === 10.0.0.0/8
ip.addr any_ne 10.0.0.1
ip.addr ~= 10.0.0.1
ip.addr all_eq 10.0.0.1
all ip.addr == 192.168.0.0/16
any ip.addr != 192.168.0.0/16
all ip.addr > 128.0.0.0
not all ip.addr > 128.0.0.0
ip.src == 192.168.1.1 || ip.dst == 192.168.1.1
ip.src > 192.168.0.0 and ip.src < 193.0.0.0
ip.src > 10.0.0.0/8
ip.src in {10.0.0.0/8, 192.168.0.0 .. 192.168.255.255}
all ip.addr in {10.0.0.0/8, 192.168.0.0/16}
ip.addr not in {10.0.0.0/8, 192.168.0.0/16}
ip.src == ip.dst
ip.src != ip.dst
ip.addr == ip.src
ip.src[0] == 10
ip.src[0:2] == c0:a8
ip.src[-1:] == 01
ip.dst[0] > 7f
ip.dst & 240.0.0.0 == 224.0.0.0
ip.addr & 255.0.0.0
string(ip.src) matches r"^10\.\d+\."
string(ip.src) contains ".1"
ip.host == "127.0.0.1"
ip.src_host matches "^192"
ip#2
ip.src#2
ip.ttl#2 < 64
ip.addr#[1-2] == 10.0.0.0/8
ip.addr#[2:] == 10.0.0.0/8
count(ip) == 2
count(ip.addr) > 2
len(ip) > 20
len(udp) == 8
len(tcp) > 100
len(tcp) == 20
len(eth) == 14
len(vlan) == 4
len(ipv6) == 40
len(icmpv6) > 40
len(igmp) > 8
len(llc) > 8
len(ppp) > 4
len(esp) > 40
len(gtp) > 40
len(dccp) > 20
len(ospf) > 30
len(pim) > 20
len(vrrp) > 10
len(sll) == 16
len(mpls) == 4
len(vxlan) == 8
len(ipv6.hopopts) == 8
len(ipv6.fraghdr) == 8
len(geneve) > 8
len(erspan) > 8
len(pppoes) == 6
len(null) == 4
len(icmp) > 60
icmp[0] == 08
icmp contains "abcdef"
icmpv6[0] == 87
len(gre) > 30
gre[2:2] == 08:00
len(sctp) > 100
udp.srcport - 60000 < 0
udp.srcport - 60000 > 100
-udp.srcport < 0
udp.srcport > -1
tcp.dstport > tcp.srcport - 60000
tcp.seq_raw * 2 > 100
tcp.seq_raw + 0x7fffffff > 100
tcp.seq_raw - 1 < 0x80000000
tcp.srcport / 0 == 0
tcp.srcport in {-1 .. 10}
all tcp.port in {80, 1024..65535}
any tcp.port === 80
all tcp.port !== 80
frame[0,2000] == 00
frame[2000:] < 00
frame[2000] & 01
ip.src#[-1] == 10.0.0.0/8
ip.src#[-2]
ip.src#[2:1]
max(ip.src, ip.dst) == 255.255.255.255
abs(frame.time_relative) < 0.001
-frame.time_relative < 0
string(ip.src)[0:2] == "10"
upper(ip.src_host) contains "10."
len(ip.src) == 4
len(tcp.flags) == 2
len(tcp.flags.syn) == 0
count(ip.src) > 1
tcp.port all_eq tcp.srcport
ip[0] == 45
ip[0] & 0x0f == 6
ip[9] == 11
ip contains 00:00:00:00
ip.opt.type
ip.opt.type == 148
ipv6
ipv6.addr == fe80::/10
ipv6.src == ::
ipv6.addr == 2001:db8::/32
ipv6.addr != fe80::/10
ipv6.dst == ff02::1
ipv6.dst in {ff02::1 .. ff02::ff}
ipv6.src[0:2] == fe:80
ipv6.hlim == 255
ipv6.hlim < 64
ipv6.nxt == 58
ipv6.plen > 100
ipv6.flow != 0
ipv6.hopopts
ipv6.fraghdr
ipv6.fraghdr.offset > 0
ipv6.routing.type
ipv6.host contains "::1"
icmp
icmp.type == 8
icmp.type == 3 and icmp.code == 3
icmp.type in {0, 8}
icmp and udp
icmp and count(ip) == 2
icmpv6
icmpv6.type == 135
icmpv6.type >= 133 && icmpv6.type <= 137
icmpv6.nd.ns.target_address
udp
udp.port == 53
udp.port != 53
udp.port ne 53 and udp
udp.port in {53, 67..68, 123}
udp.srcport == udp.dstport
udp.dstport >= udp.srcport + 1
udp.srcport - udp.dstport == 1
udp.dstport >= 2 * {udp.srcport + 3}
udp.srcport < udp.dstport < 1024
udp.length == 8
udp.length > 500
udp.length % 4 == 0
udp.checksum == 0
udp.checksum.status == 1
udp.checksum.status == 3
udp.payload
udp.payload[0:2] == 00:00
udp.payload contains "http"
udp.payload matches "m-search"
udp[4:2] == 00:08
max(udp.srcport, udp.dstport) > 60000
min(udp.srcport, udp.dstport) < 100
tcp
tcp.port == 80
tcp.port==80&&tcp.flags.syn==1
tcp.port == 80 or tcp.port == 443 and tcp.flags.ack
(tcp.port == 80 or tcp.port == 443) and tcp.flags.ack
not tcp.port == 80
tcp and not tcp.port == 80
tcp.port === 80
all tcp.port > 1024
tcp.port > 65000
tcp.port > -1
tcp.srcport == tcp.dstport
tcp.srcport + 1 > 1000
tcp.dstport * 2 == 160
tcp.dstport / 100 == 4
tcp.flags.syn == 1 and tcp.flags.ack == 0
tcp.flags & 0x02
tcp.flags & 0x12 == 0x12
tcp.flags & 2 & 3
tcp.flags bitwise_and 4
tcp.flags == 0x0018
tcp.flags.reset
tcp.flags.reset == 1
tcp.flags.fin == True
tcp.len == 0
tcp.len > 1000
tcp.hdr_len > 20
tcp.hdr_len * 2 == 40
tcp.seq_raw > 0x80000000
tcp.ack_raw == 0
tcp.window_size_value == 0
tcp.window_size_value < 1000
tcp.urgent_pointer > 0
tcp.checksum.status == 0
tcp.checksum.status != 1
tcp.options.mss_val == 1460
tcp.options.mss_val > 1000 and tcp.options.wscale.shift
tcp.options.sack_le
tcp.options.timestamp.tsval > 1000000
tcp.option_kind == 8
count(tcp.option_kind) > 3
tcp.options[0] == 02
tcp.payload contains "GET"
tcp.payload contains 47:45:54
tcp.payload[0:4] == "HTTP"
tcp.payload[0:3] == 47.45.54
tcp.payload matches "^(get|post) /"
tcp.payload matches "(?-i)^GET"
tcp.payload ~ "^HTTP/1\\.[01] 200"
tcp[13] & 02
tcp[0:2] == 00:50
tcp[20] == 02
len(tcp.payload) > 100
tcp.dstport in {80, 443, 8000..8999}
frame
frame.number < 100
frame.number in {10..20, 30}
frame.number % 2 == 0
frame.number & 1
string(frame.number) matches "[13579]$"
string(tcp.dstport) contains "80"
frame.len > 1000
frame.len == frame.cap_len
frame.cap_len < frame.len
frame.len >= 60 and frame.len <= 64
frame.len < '\x40'
frame.time_epoch < 0.002
frame.time_epoch >= 0.001 and frame.time_epoch < 0.0015
frame.time_relative < 0.001
frame.time_relative + 0.001 > 0.002
frame.time_delta > 0
frame[0:6] == ff:ff:ff:ff:ff:ff
frame[0] == 0xff
frame[0] == 255
frame[0] == 1
frame[12:2] == 08:00
frame[12-13] == 08.00
frame[0,12-13] == 00:08:00
frame[-1:] == 00
frame[-2:] == 0.0
frame[-4:2] == 00:00
frame[:3] == 01:00:5e
frame[100]
frame[1000:]
frame[100] == 00
frame[100] != 00
frame[60:] contains 00:00
frame[0]
frame[0:2] & ff:00
frame contains "http"
frame contains "HTTP"
frame contains de:ad
frame contains 0x2a
frame matches "http/1"
frame matches r"HTTP/1\.[01]"
frame matches "\x00\x00\xff"
frame matches "[[:digit:]]{5}"
frame == 00
len(frame) > 100
len(frame) == 60
""".strip().splitlines()
)
"""Asked of packets."""
ACCEPTED = tuple(
    r"""
ip.addr == 10.0.0.0/8
tcp.port in {4430..4434}
tcp.port ~= 80
eth.src[0:3] == 000083
frame[4] == 255
frame[-2:] == 0.1
frame[1,3-5,9:] == 01:03:04:05:09:0a:0b
frame contains abc
tcp.port == -1
tcp.port == 'a'
tcp.flags.syn == TRUE
tcp.flags & 2 & 1
tcp.flags.syn == "Set"
arp.opcode == request
arp.opcode == "request"
ip.proto == TCP
eth.type == IPv4
eth.addr == ff.ff.ff.ff.ff.ff
eth.addr == ffffffffffff
ip.addr > 10.0.0.0/8
ip.src#[1-2] == 1.2.3.4
ip.src#[-1] == 1.2.3.4
ip#2
count(ip) > 1
max(tcp.srcport,tcp.dstport) > 5
tcp.dstport >= 4 * {tcp.srcport + 3}
frame.time_relative > -1
data == 00
-tcp.port == -80
tcp.port==80&&udp
tcp.srcport < tcp.dstport < 100
tcp.port not in {80}
any tcp.port in {80}
all tcp.port in {80}
tcp.port ! in {80}
frame[100]
frame[0:2] & 40:ff
ip.addr & 255.0.0.0 == 10.0.0.0
eth.src & 01:00:00:00:00:00
eth.src[0] & 1
eth.src[0] & 1 == 1
eth.addr[0] & 0x0f == 2
tcp.srcport + 1
tcp.port == -80
tcp.port == 1 + 1
tcp.port == {1 + 1}
tcp.port+1 == 2
tcp.port + 1 == 2
tcp.port -1 == 2
tcp.port/2 == 2
tcp.port % 2 == 0
frame.time_relative + 1 > 2
frame.time_relative in {1 .. 1.5}
tcp.flags in {2}
tcp.flags.syn in {1}
eth.src in {00:00:00:00:00:00 .. 00:00:00:00:00:ff}
tcp.port in {80..70}
tcp.port in {tcp.srcport}
tcp matches "a"
len(tcp.port) == 2
string(eth.src)[0:2] == "00"
lower(dns.qry.name)[0:3] == "www"
len (frame) == 60
frame[0:4][1] == 00
frame[1:] == 00
frame[:] == 00
frame[1 : 2] == 00:00
frame[ 1 ] == 00
frame[-2] == 00
frame[-4--2] == 00:00:00
frame [1] == 00
frame.protocols[0:3] == "eth"
ip.src[0:2] == 10.1
ip.src#2[0] == 10
frame#1
tcp.flags == 0x0002
ip.host == "1.2.3.4"
ip.src_host == 1.2.3.4
tcp.checksum.status == "Good"
tcp.checksum.status == Good
tcp.checksum.status == 1
ip.flags.df
ip.flags == 2
ip.frag_offset > 0
ip.hdr_len == 20
vlan.id in {1..100}
udp.checksum == 0x0000
tcp.options.mss_val == 1460
tcp.options.timestamp.tsval
frame.interface_id == 0
frame.comment
frame.comment contains "a"
frame.cap_len < frame.len
ip.version == 4
eth.type == 0x800
tcp and not (udp or icmp)
tcp.port==80||udp.port==53&&ip
!ip.addr == 10.0.0.1
!(ip.addr == 10.0.0.1)
tcp.port eq 80
tcp.port ne 80 && tcp.port lt 80 || tcp.port le 80 or tcp.port gt 80 or tcp.port ge 80
ipv6.addr == fe80::1.2.3.4
eth.src == aabb.ccdd.eeff
eth.src[0:3] == "abc"
eth.src contains 00:01
eth.src matches "a"
data.data contains de:ad:be:ef
data contains "x"
icmp.type == 8 && icmp.code == 0
dns.flags.response == 0
dns.qry.name contains "google"
dns.qry.name contains google
dns.a == 1.2.3.4
tls.handshake.type == 1
tls.handshake.extensions_server_name contains "a"
""".strip().splitlines()
)
"""Filters, though some of them ask for little."""
REFUSED = tuple(
    r"""
tcp.port in {80, 443 8080}
tcp.port in {80,443,}
tcp.port in {}
tcp.port in {80;443}
tcp xor udp
TCP
tcp.Port == 80
tcp AND udp
frame[0:2] == 0x0102
frame[3:0] == aa
frame matches abc
ip.src contains "a"
tcp.port == http
tcp.port == "http"
tcp.port == 80.0
tcp.port == 65536
tcp.port == 'ab'
tcp.flags.syn == true
tcp.flags == "Set"
icmp.type == "Echo (ping) request"
eth.addr == ff:ff:ff
eth.addr == 01:00:00:00:00:00/8
ipv6.addr == 1.2.3.4
ip.addr == 10
ip.addr == "10.0.0.1"
ip.addr == 10.0.0.1/33
upper(ip.src) == "A"
string(frame) == "80"
min(1,2) == 1
len(ip)
ip.src == tcp.port
all tcp.port
1 == tcp.port
1 < frame.number < 5
tcp.port == (80)
()
tcp.port ==
tcp.port = 80
tcp udp
tcp..port
tcp.port in {80..}
tcp.port in 80
"abc" == "abc"
ip.ttl == 64u
any_eq tcp.port 80
tcp.port-1 == 2
ip.src + 1 == 1.2.3.4
frame.time_relative == 1e3
frame.time_relative == .5
tcp.flags.syn & 1
tcp.flags.syn + 1 == 2
frame[0:2] in {00:01, 02:03}
tcp.port in {"80"}
tcp.port contains 80
tcp.flags.syn matches "a"
len(frame[0:3]) == 3
count(frame[0:3]) == 3
len(string(ip.src)) == 7
len() == 1
nosuch(tcp.port) == 1
frame[] == 00
frame[a] == 00
frame[3-1] == 00
frame[1:-1] == 00
tcp.port[0] == 00
tcp.flags.syn[0] == 1
ip.src # 2 == 1.2.3.4
ip.src[0]#2 == 10
(ip.src == 1.2.3.4
ip.src == 1.2.3.4)
tcp.port == 80 and
tcp.port == 99999999999999999999
tcp.port == 0x
tcp.port == 08
tcp.port == 1_000
tcp.port == ''
ip.ttl < "a"
tcp.flags == SYN
ip.host matches "^10\."
tcp.port EQ 80
ip.addr == 10.0.0.1 / 8
ipv6.addr == 2001:db8::1/129
ipv6.addr == 2001:db8:::1
ip.addr == 256.1.1.1
ip.addr == 10.0.0.1/
eth.src == 00:00:83:aa:bb:cc:dd
eth.src == 0:1:2:3:4:5
eth.src == "00:01:02:03:04:05"
eth.src contains "a"
@tcp.port
${tcp.port}
4 * tcp.srcport == 320
80 - tcp.srcport < 0
string(tcp.flags.syn) == "1"
string(frame.time_relative) == "1"
ip.addr#[2-] == 10.0.0.0/8
ip.src#-1
frame.time_relative * 2 < 1
""".strip().splitlines()
)
"""No filters."""
