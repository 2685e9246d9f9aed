"""The flip experiment: every bit of ten packets broken, and the running kernel asked what it makes of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pktlab.live import Sandbox
from pktlab.live.flips import SUBJECTS, Bench, Subject, Trial
from pktlab.wire.dissection import dissect

UNAVAILABLE = Sandbox.available()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox("sender", "receiver") as box, Bench(box) as made:
        yield made


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_kernel_does_with_every_bit_what_was_predicted(name: str, bench: Bench) -> None:
    whole, *broken = bench.every_bit(SUBJECTS[name])
    assert whole.seen.is_delivered, str(whole)
    assert len(broken) == 8 * len(whole.frame)
    assert [str(trial) for trial in (whole, *broken) if not trial.agrees] == []


@pytest.mark.parametrize("name", ["udp over ipv4", "udp over ipv6"])
def test_what_is_behind_the_sums_was_predicted_too(name: str, bench: Bench) -> None:
    trials = list(bench.every_bit(SUBJECTS[name], sums_made_right=True))
    assert [str(trial) for trial in trials if not trial.agrees] == []
    ends = {trial.predicted.check for trial in trials}
    assert ends >= {"", "address", "type", "header", "length", "port", "protocol"}  # there are enough of them


def test_data_that_arrive_are_those_that_were_sent(bench: Bench) -> None:
    trial = bench.try_out("data", SUBJECTS["tcp data over ipv4"].make(bench))
    assert trial.seen.taken == (b"data that has to arrive as it was sent",)
    assert trial.seen.moved == {"IpInReceives": 1, "IpInDelivers": 1, "TcpInSegs": 1}


def test_a_wrong_prediction_is_noticed(bench: Bench) -> None:
    seen = bench.try_out("udp", SUBJECTS["udp over ipv4"].make(bench))
    other = bench.try_out("udp", SUBJECTS["udp over ipv4"].make(bench), 8 * 42)
    assert seen.agrees
    assert other.agrees
    assert not Trial("mixed", 0, seen.frame, other.predicted, seen.seen).agrees
    assert not Trial("mixed", 0, seen.frame, seen.predicted, other.seen).agrees


def test_the_sum_of_one_bit_is_one() -> None:
    box = Sandbox("sender", "receiver")  # never entered: only its addresses are needed
    bare = Bench(box)
    subject: Subject = SUBJECTS["udp over ipv4 with one bit in its sum"]
    assert dissect(subject.make(bare)).found("udp.checksum")[0].value == 0x0400
