"""What this machine lets a program do with packets, and the command that would allow more."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

__all__ = ["enter_own_namespace", "namespaces_as", "raw_socket_error", "raw_socket_remedy"]

TIMEOUT_S = 5
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
