"""Sockets as the system lists them: what was opened is what is read, by both ways."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from pktlab.errors import PktlabError
from pktlab.flows.sockets import Socket, parse_socket
from pktlab.live import Host, Sandbox
from pktlab.live.inside import inside
from pktlab.live.kernel_sockets import open_socket
from pktlab.live.sock_diag import Found, programs
from pktlab.live.socket_list import machine_groups, machine_sockets, parse_proc, parse_ss

UNAVAILABLE = Sandbox.available()
OPENED = (
    "udp:0.0.0.0:53", "udp:192.0.2.2:53,reuseaddr", "udp:[::1]:5353", "udp:[::]:9999", "tcp:0.0.0.0:80", "tcp:[::]:443",
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Host]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox() as box:
        host = box["server"]
        sockets = [open_socket(host, parse_socket(text.replace("53,reuseaddr", "54"))) for text in OPENED]
        listener = open_socket(host, parse_socket("tcp:[::]:8080"))
        client = inside(box["client"], socket.socket)
        client.bind((str(box["client"].ipv4), 4711))
        client.connect((str(host.ipv4), 8080))
        sockets += [listener, client, listener.accept()[0]]
        yield host
        for one in sockets:
            one.close()


EXPECTED = {
    "udp:0.0.0.0:53", "udp:192.0.2.2:54", "udp:[::1]:5353", "udp:[::]:9999", "tcp:0.0.0.0:80", "tcp:[::]:443",
    "tcp:[::]:8080", "tcp:[::ffff:192.0.2.2]:8080,peer=[::ffff:192.0.2.1]:4711",
}  # fmt: skip


def plain(found: list[Socket]) -> set[str]:
    return {str(replace(one, backlog=None)) for one in found}


def test_the_kernel_lists_what_was_opened(server: Host) -> None:
    assert plain(inside(server, machine_sockets)) == EXPECTED
    assert {one.backlog for one in inside(server, machine_sockets) if one.is_listening} == {16}


def test_proc_lists_what_was_opened(server: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> list[Found]:
        raise FileNotFoundError(2, "a kernel without inet_diag")

    monkeypatch.setattr("pktlab.live.socket_list.diag_sockets", unknown)
    assert plain(inside(server, machine_sockets)) == EXPECTED


@pytest.mark.parametrize("text", ["udp:[::]:700,v6only", "udp:0.0.0.0:701,dev=eth0", "tcp:[::]:702,v6only,backlog=3"])
def test_the_kernel_tells_what_proc_does_not(text: str, server: Host) -> None:
    wanted = parse_socket(text)
    with open_socket(server, wanted):
        found = inside(server, machine_sockets)
    assert text in {str(one) for one in found}


def test_listeners_on_one_end_have_reuseport_and_a_program(server: Host) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(open_socket(server, parse_socket("tcp:0.0.0.0:703,reuseport")))
        found = [one for one in inside(server, machine_sockets, programs()) if one.local.port == 703]
    assert [one.reuseport for one in found] == [True, True]
    assert all(one.name.endswith(" tcp:0.0.0.0:703,reuseport") for one in found)


def test_groups_are_those_that_the_host_is_in(server: Host) -> None:
    with open_socket(server, parse_socket("udp:0.0.0.0:704,member=239.1.1.1%eth0")):
        found = {str(one) for one in inside(server, machine_groups)}
    assert {"239.1.1.1%eth0", "224.0.0.1%lo", "ff02::1%eth0"} <= found


def test_ss_lists_what_was_opened(server: Host) -> None:
    if shutil.which("ss") is None:
        pytest.skip("ss is not installed")
    listed = parse_ss(server.run(["ss", "-tuan"]).stdout)
    assert {str(one) for one in listed} == EXPECTED


def test_what_is_no_list_is_an_error_of_one_line() -> None:
    with pytest.raises(PktlabError, match="no UDP or TCP socket"):
        parse_ss("hello\n")
    with pytest.raises(PktlabError, match="line 2: socket"):
        parse_ss("Netid State\nudp UNCONN 0 0 nowhere 0.0.0.0:*\n")
    assert parse_proc("  sl  local_address rem_address   st\nrubbish\n", "udp") == []
