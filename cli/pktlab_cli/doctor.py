"""``pktlab doctor``: what this machine allows, and the one command that would allow more."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata

from pktlab_cli.options import color_option, command, json_option
from pktlab_cli.printing import Printer, table

__all__ = ["doctor"]

_TIMEOUT_S = 5


@dataclass(frozen=True)
class Finding:
    """One line: what was looked for, whether it is there, what was found, and what would allow it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


@command("doctor", "pktlab doctor", "pktlab doctor --json")
@json_option
@color_option
def doctor(as_json: bool, out: Printer) -> None:
    """Say what this machine allows: versions, raw sockets, namespaces, other programs.

    Where something is missing, the last line of its entry is the one command that would allow it.
    """
    findings = [*_versions(), *_privileges(), *_programs(), *_extras()]
    if as_json:
        out.json([asdict(finding) for finding in findings])
        return
    lines = table([(finding.name, "ok" if finding.ok else "missing", finding.found) for finding in findings])
    for line, finding in zip(lines, findings, strict=True):
        word = "ok" if finding.ok else "missing"
        at = line.index(word, len(finding.name))
        style = "good" if finding.ok else "partial"
        out.line(line[:at] + out.paint(word, style) + line[at + len(word) :])
        if finding.remedy:
            out.line(f"    {finding.remedy}")


def _versions() -> Iterator[Finding]:
    is_new = sys.version_info >= (3, 11)
    yield Finding("python", is_new, platform.python_version(), "" if is_new else "install Python 3.11 or newer")
    yield Finding("system", True, f"{platform.system()} {platform.release()}")
    for package in ("pktlab-toolkit", "construct", "click", "rich", "scapy", "hypothesis", "zstandard"):
        version = _version(package)
        if package == "pktlab-toolkit":
            import pktlab

            version = version or f"{pktlab.__version__} (not installed, run from its folder)"
        yield Finding(package, version is not None, version or "", "" if version else f"pip install {package}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _privileges() -> Iterator[Finding]:
    from pktlab.live import access

    error = access.raw_socket_error()
    yield Finding(
        "raw sockets", not error, error or "send and sniff any frame", access.raw_socket_remedy() if error else ""
    )
    who = access.namespaces_as()
    found = f"as {who}" if who else "no network of its own for a sandbox"
    remedy = "" if who else 'sudo -E env PATH="$PATH" pktlab doctor'
    if sys.platform != "linux":
        found, remedy = "Linux only", ""
    yield Finding("namespaces", who is not None, found, remedy)


_PROGRAMS = {
    "tshark": ("--version", "sudo apt-get install tshark"),
    "tcpdump": ("--version", "sudo apt-get install tcpdump"),
    "dumpcap": ("--version", "sudo apt-get install wireshark-common"),
    "ip": ("-V", "sudo apt-get install iproute2"),
}


def _programs() -> Iterator[Finding]:
    for name, (option, remedy) in _PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            yield Finding(name, False, "not on the PATH", remedy)
        else:
            yield Finding(name, True, _first_line([path, option]))


def _first_line(argv: list[str]) -> str:
    """Return the first line that a program says about itself, without copyright."""
    try:
        said = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return argv[0]
    lines = (said.stdout or said.stderr).splitlines()
    return lines[0].strip().rstrip(".") if lines else argv[0]


def _extras() -> Iterator[Finding]:
    for package in ("pyarrow", "dpkt"):
        version = _version(package)
        yield Finding(package, version is not None, version or "optional", "" if version else f"pip install {package}")
