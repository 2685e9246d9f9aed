"""Run a Python function in a host of a sandbox, and open a TUN or TAP interface there.

A thread of its own enters the namespace, runs the function and ends; a socket or file that the function returns stays
in that namespace and is used from anywhere. So an experiment is one program with real sockets on several hosts.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from pktlab.errors import PktlabError
from pktlab.live.host import Host, Interface
from pktlab.live.vlan import IFF_NO_PI, IFF_TAP, MAX_FRAME_LEN, TUNSETIFF

__all__ = ["Tun", "inside", "opened_tun"]

CLONE_NEWNET = 0x40000000  # setns(2)
IFF_TUN = 0x0001  # include/uapi/linux/if_tun.h
NAMESPACES = "/var/run/netns"
Result = TypeVar("Result")


def inside(host: Host, function: Callable[..., Result], *arguments: Any) -> Result:
    """Return what `function` returns when it is called in the namespace of `host`.

    Raises
    ------
    PktlabError : the namespace cannot be entered; and whatever `function` raises
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def visit() -> None:
        try:
            _enter(host)
            results.append(function(*arguments))
        except (OSError, ValueError, PktlabError) as error:
            errors.append(error)

    thread = threading.Thread(target=visit, name=f"in {host.name}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _enter(host: Host) -> None:
    """Move the calling thread into the namespace of `host`."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"{NAMESPACES}/{host.netns}", os.O_RDONLY)
    try:
        if libc.setns(namespace, CLONE_NEWNET) != 0:
            why = os.strerror(ctypes.get_errno())
            raise PktlabError(f"the namespace of {host.name} cannot be entered ({why}): run this as root")
    finally:
        os.close(namespace)


class Tun:
    """An interface of a host whose other side is this program: what is written there arrives at the host.

    `read` gives what the host sent and None if there is nothing; neither call waits.
    """

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd

    def write(self, packet: bytes) -> None:
        """Let a packet arrive; it has been dealt with when this returns."""
        os.write(self.fd, packet)

    def read(self) -> bytes | None:
        """Return the next packet that the host sent."""
        with suppress(BlockingIOError):
            return os.read(self.fd, MAX_FRAME_LEN)
        return None

    def read_all(self) -> list[bytes]:
        """Return all packets that the host sent since the last time."""
        return list(iter(self.read, None))


@contextmanager
def opened_tun(host: Host, interface: Interface, *, frames: bool = False) -> Iterator[Tun]:
    """Give a TUN interface (with `frames`, a TAP one) of a host, set up and switched on; it goes with the block.

    Raises
    ------
    PktlabError : the system has none, or does not allow it
    """
    try:
        fd = inside(host, _open, interface.name, (IFF_TAP if frames else IFF_TUN) | IFF_NO_PI)
    except OSError as error:
        raise PktlabError(f"{host.name}: no interface {interface.name}: /dev/net/tun: {error.strerror}") from None
    try:
        host.bring_up(interface)
        yield Tun(interface.name, fd)
    finally:
        os.close(fd)


def _open(name: str, flags: int) -> int:
    import fcntl  # only Unix has it, and this module can be imported everywhere

    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    except OSError:
        os.close(fd)
        raise
    return fd
