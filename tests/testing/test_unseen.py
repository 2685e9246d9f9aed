"""What the sum cannot see: the fast way equals the long way, and both meet the numbers that theory gives."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from pktlab.errors import PktlabError
from pktlab.testing.unseen.measure import CHECKS, fully_unseen, interval, measure
from pktlab.testing.unseen.models import MODELS, model_of, unseen
from pktlab.testing.unseen.plot import svg
from pktlab.testing.unseen.sources import Source, open_source
from pktlab.wire.checksum import checksum, verify

SIZE = 64  # words


def sparse(seed: int) -> Source:
    """Words of which most are 0 or 0xffff, so that every rare case of the two zeros is met."""
    random = np.random.default_rng(seed)
    words = random.choice(np.array([0, 0, 0, 0xFFFF, 0xFFFF, 1, 0x8000], ">u2"), 60_000)
    words[:20_000] = np.where(random.random(20_000) < 0.01, 0xFFFF, 0)
    return Source("sparse", words.astype(">u2").tobytes())


@pytest.mark.parametrize("over", ["random", "sparse"])
@pytest.mark.parametrize("name", [*MODELS, "burst:1", "burst:2", "burst:31", "burst:48"])
def test_differences_equal_full_sums_on_a_hundred_thousand(name: str, over: str) -> None:
    model, random = model_of(name), np.random.default_rng(3)
    source = sparse(1) if over == "sparse" else open_source("random", 2 * SIZE)
    for _ in range(5):
        errors = model.draw(random, source, SIZE, 20_000)
        before, after = errors.segments, model.applied(errors)
        changed = (before != after).any(axis=1)
        assert (model.is_error(errors) == changed).all()
        fast, full = unseen(model, errors), fully_unseen(before, after)
        assert (fast == full)[changed].all()
        difference = after.sum(axis=1, dtype=np.int64) - before.sum(axis=1, dtype=np.int64)
        assert (model.difference(errors) == difference).all()


def test_full_sums_are_what_a_receiver_computes() -> None:
    source, model, random = sparse(2), model_of("burst:16"), np.random.default_rng(5)
    errors = model.draw(random, source, SIZE, 3000)
    before, after = errors.segments, model.applied(errors)
    for old, new, said in zip(before, after, fully_unseen(before, after), strict=True):
        stored = checksum(old.astype(">u2").tobytes()).to_bytes(2, "big")
        assert verify(new.astype(">u2").tobytes() + stored) == said


@pytest.mark.parametrize("name", ["bit", "2bit", "burst:15", "swap", "splice", "random"])
def test_the_share_meets_the_formula_over_random_data(name: str) -> None:
    count = measure(model_of(name), open_source("random", 1024), trials=1_000_000, others=10, seed=1)[0]
    low, high = count.interval
    assert count.formula is not None
    assert low <= count.formula <= high


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["bit", "2bit", "burst:15", "swap", "splice", "random"])
def test_the_share_meets_the_formula_in_ten_million(name: str) -> None:
    count = measure(model_of(name), open_source("random", 1024), trials=10_000_000, others=10, seed=1)[0]
    low, high = count.interval
    assert count.formula is not None
    assert low <= count.formula <= high


def test_no_burst_of_up_to_15_bits_goes_unseen_by_exhaustion() -> None:
    """Each of 15 bits goes up, down or stays: 3**15 differences, of which only that of no error at all is 0.

    A burst that starts in another column changes the sum by 2**k times as much, modulo 65535, which is 0 as rarely.
    """
    differences = np.zeros(1, np.int64)
    for column in range(15):
        differences = (differences[:, None] + np.array([-1, 0, 1]) * (1 << column)).ravel()
    assert len(differences) == 3**15
    assert int((differences % 0xFFFF == 0).sum()) == 1
    assert all((1 << column) % 0xFFFF for column in range(16))


def test_every_bit_and_every_short_burst_of_a_packet_is_seen() -> None:
    data = bytes.fromhex("0001f203f4f5f6f7ffff0000")
    whole = data + checksum(data).to_bytes(2, "big")
    number, bits = int.from_bytes(whole, "big"), 8 * len(whole)
    for length, start in product(range(1, 9), range(bits)):
        for inner in range(1 << max(length - 2, 0)):
            pattern = (inner << 1 | 1 | 1 << length - 1) & ((1 << length) - 1)
            if start + length <= bits:
                assert not verify((number ^ pattern << start).to_bytes(len(whole), "big"))


def test_a_burst_of_16_bits_can_go_unseen() -> None:
    words = np.zeros(200, ">u2")
    words[::3] = 7
    count = measure(model_of("burst:16"), Source("zeros", words.tobytes()), size=64, trials=1_000_000, others=1)[0]
    assert count.unseen > 0


def test_the_other_checks_are_those_of_the_books() -> None:
    row = np.frombuffer(b"123456789", np.uint8)[None, :]
    assert {name: int(check(row)[0]) for name, check in CHECKS.items()} == {
        "CRC-32": 0xCBF43926, "Adler-32": 0x091E01DE, "Fletcher-16": 0x1EDE,
    }  # fmt: skip
    assert int(CHECKS["Fletcher-16"](np.frombuffer(b"abcde", np.uint8)[None, :])[0]) == 0xC8F0


def test_the_interval_covers_what_it_says() -> None:
    random, share = np.random.default_rng(9), 0.03
    counts = random.binomial(20_000, share, 4000)
    covered = sum(low <= share <= high for low, high in (interval(int(count), 20_000) for count in counts))
    assert 0.985 < covered / 4000 < 0.995
    assert interval(10, 10)[1] == 1.0


def test_the_same_seed_gives_the_same_counts() -> None:
    runs = [measure(model_of("2bit"), open_source("random", 1024, 4), trials=5000, others=50, seed=4) for _ in range(2)]
    assert runs[0] == runs[1]


def test_data_in_which_nothing_can_go_wrong() -> None:
    with pytest.raises(PktlabError, match="its segments are alike"):
        measure(model_of("swap"), Source("zeros", bytes(10_000)), size=64, trials=100)


def test_a_source_that_is_too_short(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(100))
    with pytest.raises(PktlabError, match="short has 100 bytes; errors in segments of 64 need 136"):
        open_source(str(tmp_path / "short"), 64)


@pytest.mark.parametrize("name", ["bits", "burst:0", "burst:49", "burst:", "burst:x"])
def test_no_such_model(name: str) -> None:
    with pytest.raises(ValueError, match="there is no model"):
        model_of(name)


def test_the_picture_has_a_row_a_count() -> None:
    counts = measure(model_of("swap"), open_source("random", 1024), trials=1000, others=10)
    drawn = svg(counts, "a <title>")
    assert drawn.count("stroke-width") == len(counts) == 4
    assert "a &lt;title&gt;" in drawn
    assert drawn.endswith("</svg>\n")
