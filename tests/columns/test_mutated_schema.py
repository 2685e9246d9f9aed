"""A schema that is changed changes both readers alike: the kernels hold no copy of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import io, pktlab, sys
from pktlab.lines import Lines
from tests.columns.captures import mutants, pcapng
from tests.columns.compare import column_differences, verdict_differences
from tests.columns.test_batches import NAMES
from tests.columns.test_lines import exact
data = pcapng(mutants(4, 200))
assert pktlab.__file__.startswith(sys.argv[1])
lines = b"".join(Lines(pktlab.open(io.BytesIO(data)), exact_first=0)).splitlines(keepends=True)
print(verdict_differences(data) + column_differences(data, NAMES) + [
    one for one, other in zip(lines, exact(io.BytesIO(data)), strict=True) if one != other
])
packets = [one.dissection for one in pktlab.open("pcaps/first-light.pcapng")]
headers = [layer.header for one in packets for layer in one.layers if layer.header]
print([(one, "cut short" if one._error else one.summary()) for one in headers])
"""
CHANGES = {
    "offset": ("udp.py", '    srcport: int = field(Int16ub, "Source Port")\n', ""),  # put back behind the other one
    "words": ("tcp.py", '" Win=", this.window_size_value', '" ", this.window_size_value * 2'),
    "mask": ("ipv4.py", "_flags_offset, 0xE000,", "_flags_offset, 0xC000,"),
    "number": ("packet.py", "6: Tcp, 17: Udp,", "6: Udp, 17: Tcp,"),
    "length": ("udp.py", "payload_len=this.length - 8", "payload_len=this.length - 12"),
}


def house(folder: Path, name: str, old: str, new: str) -> Path:
    """Make a copy of the package in links, with one changed file of `wire`."""
    package = folder / "pktlab"
    (package / "wire").mkdir(parents=True)
    for path in (ROOT / "pktlab").iterdir():
        if path.name not in ("wire", "__pycache__"):
            (package / path.name).symlink_to(path)
    for path in (ROOT / "pktlab" / "wire").iterdir():
        if path.name not in (name, "__pycache__"):
            (package / "wire" / path.name).symlink_to(path)
    text = (ROOT / "pktlab" / "wire" / name).read_text(encoding="utf-8")
    changed = text.replace(old, new)
    if name == "udp.py" and not new:
        changed = changed.replace('"Destination Port")\n', '"Destination Port")\n' + old)
    assert changed != text
    (package / "wire" / name).write_text(changed, encoding="utf-8")
    return folder


def said(folder: Path) -> list[str]:
    """Return what both readers say, by the package in `folder`."""
    path = os.pathsep.join([str(folder), str(ROOT), *sys.path])
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(folder)], cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "change", [pytest.param(n, marks=[pytest.mark.thorough] if n != "offset" else []) for n in CHANGES]
)
def test_both_readers_change_alike(tmp_path: Path, change: str) -> None:
    differences, packets = said(house(tmp_path, *CHANGES[change]))
    assert differences == "[]"
    assert packets != said(ROOT)[1]
