"""The first use compiles the kernels: that is said once, on standard error; later ones do not load the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pktlab
from pktlab.capture import open_writer


def test_compiling_is_said_once(first_light: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.pcap"
    with pktlab.open(first_light) as capture:
        records = [packet.record for packet in capture if packet.link_type == 1]
    with open_writer(large) as writer:
        for _ in range(1100 // len(records) + 1):
            for record in records:
                writer.write(record)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    code = (
        "import sys; from pktlab_cli.errors import run; from pktlab_cli.main import cli; run(cli, sys.argv[1:])\n"
        "print('numba' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "dissect", str(large), "-T", "fields"]
    for name in ("ip.src", "ipv6.src", "udp.checksum.verdict"):
        command += ["-e", name]
    first, again = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)
    )
    assert first.stderr.splitlines() == ["pktlab: compiling the kernels: done once, some seconds", "True"]
    assert again.stderr.splitlines() == ["False"]
    assert first.stdout == again.stdout
