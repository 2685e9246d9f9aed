"""What two tests ask tshark: the packets made from the schemas, and its reading of each."""

from __future__ import annotations

import pytest

from .capfiles import Packet
from .samples import made_packets
from .tshark import Answers, pdml


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Packet, Answers]]:
    """Return packets of every protocol, and what tshark says of them; for tests of the group ``made``."""
    packets = made_packets(valid=15, broken=20, noise=30)
    return list(zip(packets, pdml(packets, tmp_path_factory.mktemp("made")), strict=True))
