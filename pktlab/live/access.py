"""What this machine lets a program do with packets, and the command that would allow more."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys

from pktlab.errors import PktlabError

__all__ = [
    "drop_privileges", "enter_own_namespace", "namespaces_as", "packet_socket", "raw_ip_socket", "raw_socket_error",
    "raw_socket_remedy",
]  # fmt: skip

TIMEOUT_S = 5
_CAPABILITIES = (ctypes.c_uint32 * 2)(0x20080522, 0)
"""Linux ``include/uapi/linux/capability.h``: the third version of the interface, this process."""
OWN_RUN = """
mount -t tmpfs tmpfs /run || { echo "pktlab: no folder for namespaces can be made: run this with sudo" >&2; exit 2; }
exec "$@"
"""
"""A sandbox keeps its namespaces in /run/netns, which a plain user cannot write to."""


def raw_socket_error() -> str:
    """Return why no raw socket can be opened; empty if one can."""
    family = getattr(socket, "AF_PACKET", None)
    if family is None:
        return "Linux only"
    try:
        socket.socket(family, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def raw_socket_remedy() -> str:
    """Return the command that would let this Python open raw sockets; empty where there is none."""
    if sys.platform != "linux":
        return ""
    return f"sudo setcap cap_net_raw,cap_net_admin+eip {os.path.realpath(sys.executable)}"


def packet_socket(protocol: int = 0) -> socket.socket:
    """Return a socket for whole frames of any interface.

    Parameters
    ----------
    protocol : EtherType of what it takes in before it is bound: nothing at all, if not given

    Raises
    ------
    PktlabError : the system has none, or does not allow it; the message has the command that would
    """
    family = getattr(socket, "AF_PACKET", None)
    if family is None:
        raise PktlabError(f"packets are sent and taken in through Linux's AF_PACKET, which {sys.platform} has not")
    return _allowed(family, socket.htons(protocol))


def raw_ip_socket() -> socket.socket:
    """Return a socket for IPv4 packets with their headers, which the kernel routes.

    Raises
    ------
    PktlabError : the system does not allow it; the message has the command that would
    """
    return _allowed(socket.AF_INET, socket.IPPROTO_RAW)


def _allowed(family: int, protocol: int) -> socket.socket:
    try:
        return socket.socket(family, socket.SOCK_RAW, protocol)
    except PermissionError:
        raise PktlabError(
            f"raw sockets are not allowed here: run this with sudo, or once {raw_socket_remedy()}"
        ) from None


def drop_privileges() -> None:
    """Give up what is needed to open sockets, once they are open.

    A program that `sudo` started becomes that of the user who typed it, so files that it writes are theirs; one that
    has capabilities of its file loses them. One that plain root started stays as it is: in a container there is often
    nobody else, and the folder that it writes to is root's.

    Raises
    ------
    PktlabError : the system does not let it go
    """
    if sys.platform != "linux":
        return
    if os.geteuid() != 0:
        with contextlib.suppress(AttributeError):  # a C library that has no such call
            ctypes.CDLL(None).capset(ctypes.byref(_CAPABILITIES), ctypes.byref((ctypes.c_uint32 * 6)()))
        return
    uid, gid = (os.environ.get(name, "") for name in ("SUDO_UID", "SUDO_GID"))
    if not uid.isdigit() or not gid.isdigit() or int(uid) == 0:
        return
    import pwd  # only Unix has it, and this module can be imported everywhere

    try:
        try:
            os.initgroups(pwd.getpwuid(int(uid)).pw_name, int(gid))
        except KeyError:
            os.setgroups([])  # nobody known
        os.setgid(int(gid))
        os.setuid(int(uid))
    except OSError as error:
        raise PktlabError(f"this cannot go on as user {uid} ({error.strerror}): unset SUDO_UID to stay root") from None


def namespaces_as() -> str | None:
    """Return as whom a network namespace can be made: ``"root"``, ``"any user"``, or None if not at all."""
    if shutil.which("unshare") is None:
        return None
    for who, options in (("root", []), ("any user", ["--map-root-user"])):
        try:
            made = subprocess.run(
                ["unshare", *options, "--net", "true"], capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if made.returncode == 0:
            return who
    return None


def enter_own_namespace() -> None:
    """Start this program again as root of a user namespace of its own, where a sandbox can be made.

    Returns if that is not needed, because it runs as root, or not allowed; else it does not return.
    """
    if sys.platform != "linux" or os.geteuid() == 0 or namespaces_as() != "any user":
        return
    again = [sys.executable, *sys.orig_argv[1:]]
    os.execvp("unshare", ["unshare", "--map-root-user", "--net", "--mount", "sh", "-c", OWN_RUN, "pktlab", *again])
