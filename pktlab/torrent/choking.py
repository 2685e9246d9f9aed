"""Whom each peer unchokes, and whether tit-for-tat explains it: inferred from what the peers did, assuming no constant.

The textbook has four slots for the best by rate, a round every 10 s, and another peer at random every 30 s. Clients
differ: the period, the slots and the optimistic rotation are found out for each peer. Decisions come in kinds:

- round: somebody who is interested is choked, or somebody is unchoked though no slot has just become free
- free slot: an unchoke within 1.5 s of a slot becoming free, or of the peer becoming interested
- not interested: only peers are choked that want nothing

How well "the best four by bytes received over the last 20 s" explains whom a leecher unchokes is a share, beside that
of choosing at random. Who has everything receives nothing and ranks otherwise: there is no score then.

Spec: BEP 3, "Choking and Optimistic Unchoking".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pktlab.torrent.periods import SLOWER, Period, infer_period, infer_rhythms
from pktlab.torrent.relations import Relation, relations_of
from pktlab.torrent.swarm import Peer, Torrent

__all__ = ["BEST", "Choking", "Chooser", "Decision", "Sample", "choking_of"]

NS_PER_S = 1_000_000_000
TOGETHER_NS = NS_PER_S // 2
"""Chokes and unchokes closer than this are one decision: a shaped uplink pulls the messages of a moment apart."""
FREE_NS = 3 * NS_PER_S // 2
"""How long after a slot became free a client fills it at the latest: libtorrent looks once a second."""
WINDOW_NS = 20 * NS_PER_S
"""Over which BEP 3 has rates measured."""
BEST = 4
USUAL_S = 10.0
"""The period of rounds where none can be inferred."""
MOSTLY = 0.75
"""Share of rounds with just one unearned unchoke, of a peer of which nothing but its optimistic slot is seen."""
KEPT = 1.2
"""For how many periods an optimistic unchoke lasts at least."""


@dataclass(frozen=True)
class Decision:
    """A moment in which a peer changed whom it unchokes; optimistic : those unchoked that had not earned it."""

    time_ns: int
    kind: str
    choked: tuple[Peer, ...]
    unchoked: tuple[Peer, ...]
    optimistic: tuple[Peer, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Who is unchoked at one moment.

    chosen : how many are unchoked and interested; hits : how many of them are the best four, ties counting in part
    candidates : how many are interested; exceptions : the chosen that are not among the best, with their places
    """

    time_ns: int
    chosen: int
    hits: float
    candidates: int
    exceptions: tuple[tuple[Peer, int], ...]

    @property
    def expected(self) -> float:
        """How many hits there would be if the chosen were chosen at random."""
        return self.chosen * BEST / self.candidates


@dataclass(eq=False)
class Chooser:
    """One peer's choices; `slots` and the periods are None where there is too little to infer them from.

    is_told_apart : which unchokes are optimistic is told by when they come, not by what the taker gave
    """

    peer: Peer
    relations: list[Relation]
    decisions: list[Decision] = field(default_factory=list)
    slots: int | None = None
    period: Period | None = None
    optimistic: Period | None = None
    samples: list[Sample] = field(default_factory=list)
    is_told_apart: bool = False

    @property
    def distances(self) -> tuple[int, int]:
        """How many distances there are between rounds, and between optimistic unchokes, that a period may explain."""
        return max(len(self.rounds_ns) - 1, 0), max(len(self.rotations_ns) - 1, 0)

    @property
    def n(self) -> int:
        """How many choices the score is made of."""
        return sum(one.chosen for one in self.samples)

    @property
    def score(self) -> float | None:
        """The share of the best four among those that it unchoked."""
        return sum(one.hits for one in self.samples) / self.n if self.n else None

    @property
    def random(self) -> float | None:
        """What that share would be by chance."""
        return sum(one.expected for one in self.samples) / self.n if self.n else None

    @property
    def rounds_ns(self) -> list[int]:
        """When it unchoked somebody in a round; a choke that comes alone waited behind what was being sent.

        Where they are told apart, optimistic unchokes are left out.
        """
        rounds = [one for one in self.decisions if one.kind == "round" and one.unchoked]
        return [one.time_ns for one in rounds if not (self.is_told_apart and one.optimistic)]

    @property
    def rotations_ns(self) -> list[int]:
        """When it unchoked somebody optimistically."""
        return [one.time_ns for one in self.decisions if one.optimistic]


@dataclass
class Choking:
    """The choices of all peers; `periods` are those of a client, of rounds and of optimistic unchokes."""

    choosers: list[Chooser]
    periods: dict[str, tuple[Period | None, Period | None]]

    @property
    def total(self) -> Chooser:
        """The samples of all of them together, with n, score and random."""
        samples = [one for chooser in self.choosers for one in chooser.samples]
        return Chooser(Peer(("", 0)), [], samples=samples)


def choking_of(torrent: Torrent) -> Choking:
    """Return whom each peer of a torrent unchoked, and what can be inferred from it.

    >>> from pktlab.torrent.ledger import Ledger
    >>> choking_of(Torrent(Ledger("00" * 20))).choosers
    []
    """
    choosers = [Chooser(peer, relations) for peer, relations in relations_of(torrent).items()]
    choosers.sort(key=lambda chooser: torrent.peers.index(chooser.peer))
    by_client: defaultdict[str, list[Chooser]] = defaultdict(list)
    for chooser in choosers:
        chooser.slots = _slots(chooser.relations)
        chooser.decisions = list(_decisions(chooser))
        chooser.is_told_apart = _only_rotates(chooser)
        if chooser.is_told_apart:
            chooser.decisions = [replace(one, optimistic=_unearned(chooser, one)) for one in chooser.decisions]
        chooser.period = infer_period([chooser.rounds_ns])
        by_client[chooser.peer.client].append(chooser)
    return Choking(choosers, {client: _look_closer(same) for client, same in by_client.items()})


def _look_closer(same: Sequence[Chooser]) -> tuple[Period | None, Period | None]:
    """Find what takes the period of rounds, of peers with one client; return that and that of optimistic unchokes.

    What all of them show together is what each of them is held against: it has its own period where enough fits.
    """
    rounds, out_of_step = infer_rhythms([one.rounds_ns for one in same])
    for chooser, moments in zip(same, out_of_step, strict=True):
        if any(out_of_step) and not chooser.is_told_apart:
            chooser.is_told_apart = True
            chooser.decisions = [
                replace(one, optimistic=one.unchoked if one.kind == "round" and one.time_ns in moments else ())
                for one in chooser.decisions
            ]
        if rounds is not None:
            chooser.period = infer_period([chooser.rounds_ns], near=rounds.seconds)
        _look_at(chooser, chooser.period or rounds)
    turns = _slower(infer_period([one.rotations_ns for one in same]), rounds)
    if turns is not None:
        for chooser in same:
            chooser.optimistic = infer_period([chooser.rotations_ns], near=turns.seconds)
    return rounds, turns


def _look_at(chooser: Chooser, period: Period | None) -> None:
    """Find the optimistic unchokes of a peer, and the moments to look at."""
    seconds = period.seconds if period else USUAL_S
    if not chooser.is_told_apart:
        chooser.decisions = [replace(one, optimistic=_optimistic(chooser, one, seconds)) for one in chooser.decisions]
    chooser.samples = list(_samples(chooser, seconds))


def _slower(turns: Period | None, rounds: Period | None) -> Period | None:
    """Return the period of optimistic unchokes; None if it is that of rounds: then nothing tells them apart."""
    return None if turns and rounds and turns.seconds < SLOWER * rounds.seconds else turns


# ---- slots


def _slots(relations: Sequence[Relation]) -> int | None:
    """Return how many takers are served at a time while others wait: the number that holds for the longest time."""
    changes: list[tuple[int, int, int]] = []  # when, change of those that are interested, of those also unchoked
    for relation in relations:
        for wish in relation.interested:
            changes += [(wish.from_ns, 1, 0), (wish.to_ns, -1, 0)]
            for service in relation.unchoked:
                start, end = max(wish.from_ns, service.from_ns), min(wish.to_ns, service.to_ns)
                if start < end:
                    changes += [(start, 0, 1), (end, 0, -1)]
    changes.sort()
    lasting: defaultdict[int, int] = defaultdict(int)
    wanting = served = before = 0
    for now, wish_change, service_change in changes:
        if wanting > served > 0:
            lasting[served] += now - before
        wanting, served, before = wanting + wish_change, served + service_change, now
    return max(lasting, key=lambda count: (lasting[count], count)) if lasting else None


# ---- decisions


def _decisions(chooser: Chooser) -> Iterator[Decision]:
    """Yield what the chooser decided: chokes and unchokes that belong together are one decision."""
    changes = [(one.from_ns, True, relation) for relation in chooser.relations for one in relation.unchoked]
    changes += [
        (one.to_ns, False, relation) for relation in chooser.relations for one in relation.unchoked if one.ended
    ]
    changes.sort(key=lambda change: change[:2])
    group: list[tuple[int, bool, Relation]] = []
    for change in changes:
        if group and change[0] - group[0][0] > TOGETHER_NS:
            yield _decision(chooser, group)
            group = []
        group.append(change)
    if group:
        yield _decision(chooser, group)


def _decision(chooser: Chooser, group: Sequence[tuple[int, bool, Relation]]) -> Decision:
    now = next((when for when, is_unchoke, _ in group if is_unchoke), group[0][0])
    unchoked = [relation for _, is_unchoke, relation in group if is_unchoke]
    choked = [relation for _, is_unchoke, relation in group if not is_unchoke]
    again = {relation for relation in unchoked if relation in choked}  # a choke and an unchoke at once change nothing
    is_displaced = any(one.is_interested(now - 1) and one.is_interested(now + 1) for one in choked if one not in again)
    if is_displaced or not all(_had_free_slot(chooser, one, now) for one in unchoked):
        kind = "round"
    else:
        kind = "free slot" if unchoked else "not interested"
    return Decision(now, kind, _takers(choked), _takers(unchoked))


def _optimistic(chooser: Chooser, decision: Decision, period_s: float) -> tuple[Peer, ...]:
    """Return those that a leecher unchoked in a round though others gave more, and kept past the next one all the same.

    Who is unchoked only because nobody better wants the slot loses it at the next round, or earns it by then.
    """
    if decision.kind != "round" or not chooser.peer.is_leecher(decision.time_ns):
        return ()
    now, places = decision.time_ns, max((chooser.slots or BEST) - 1, 1)
    later = now + round(KEPT * period_s * NS_PER_S)
    earned = {*_best(chooser, now, places), *_best(chooser, later, places)}
    return tuple(
        one.taker
        for one in chooser.relations
        if one.taker in decision.unchoked and one.taker not in decision.choked and one not in earned
        if one.is_interested(later) and _is_kept(one, now, later)
    )  # fmt: skip


def _unearned(chooser: Chooser, decision: Decision) -> tuple[Peer, ...]:
    """Return whom a leecher unchoked in a round though enough others gave more."""
    if decision.kind != "round" or not chooser.peer.is_leecher(decision.time_ns):
        return ()
    best = {one.taker for one in _best(chooser, decision.time_ns, max((chooser.slots or BEST) - 1, 1))}
    return tuple(one for one in decision.unchoked if one not in best and one not in decision.choked)


def _only_rotates(chooser: Chooser) -> bool:
    """Tell whether nearly all that is visible of a chooser's rounds is one peer unchoked that had not earned it.

    Where rates hardly change, rounds change nothing: what is seen then is the optimistic slot alone. One that turned
    faster than rates are measured would give nobody the time to earn anything: that is rounds.
    """
    found = [(one, len(_unearned(chooser, one))) for one in chooser.decisions if one.kind == "round" and one.unchoked]
    turns = infer_period([[one.time_ns for one, count in found if count == 1]])
    is_slow = turns is not None and turns.seconds * NS_PER_S > WINDOW_NS
    return is_slow and sum(count == 1 for _, count in found) >= MOSTLY * len(found)


def _is_kept(relation: Relation, now: int, later: int) -> bool:
    """Tell whether a taker that is unchoked now still is later, without a break."""
    return any(abs(one.from_ns - now) <= TOGETHER_NS and later < one.to_ns for one in relation.unchoked)


def _takers(relations: Iterable[Relation]) -> tuple[Peer, ...]:
    return tuple(relation.taker for relation in relations)


def _had_free_slot(chooser: Chooser, relation: Relation, now: int) -> bool:
    """Tell whether a slot had just become free, or the taker had just become interested, or is not interested."""
    if not relation.is_interested(now) or any(0 <= now - wish.from_ns <= FREE_NS for wish in relation.interested):
        return True
    return any(
        0 <= now - wish.to_ns <= FREE_NS and other.is_unchoked(wish.to_ns - 1)
        for other in chooser.relations
        for wish in other.interested
    )


def _best(chooser: Chooser, now: int, places: int) -> list[Relation]:
    """Return those of the interested that gave most over the last 20 s; nobody who gave nothing."""
    given = [(one.given(now - WINDOW_NS, now), one) for one in chooser.relations if one.is_interested(now)]
    ranked = sorted((pair for pair in given if pair[0]), key=lambda pair: -pair[0])
    return [relation for _, relation in ranked[:places]]


# ---- does tit-for-tat explain them?


def _samples(chooser: Chooser, period_s: float) -> Iterator[Sample]:
    """Yield who was unchoked after each round, as long as the chooser was a leecher and more than four wanted to be."""
    step = round(period_s * NS_PER_S)
    for now in _moments(chooser, step):
        wanting = [one for one in chooser.relations if one.is_interested(now + TOGETHER_NS)]
        chosen = [one for one in wanting if one.is_unchoked(now + TOGETHER_NS)]
        if len(wanting) > BEST and chosen:
            given = {one: one.given(now - WINDOW_NS, now) for one in wanting}
            places = {one: 1 + sum(other > given[one] for other in given.values()) for one in chosen}
            hits = sum(_share_of_place(given[one], list(given.values())) for one in chosen)
            outside = tuple((one.taker, places[one]) for one in chosen if places[one] > BEST or not given[one])
            yield Sample(now, len(chosen), hits, len(wanting), outside)


def _share_of_place(given: int, all_given: Sequence[int]) -> float:
    """Return 1 for a place among the best, 0 for another; a share of it for those who tie for the last places.

    >>> [_share_of_place(given, [9, 8, 7, 5, 5, 0]) for given in (9, 5, 0)]
    [1.0, 0.5, 0.0]
    """
    better, equal = sum(other > given for other in all_given), sum(other == given for other in all_given)
    return min(max((BEST - better) / equal, 0.0), 1.0)


def _moments(chooser: Chooser, step: int) -> Iterator[int]:
    """Yield the times of rounds: those in which something changed, and between them every period."""
    if not chooser.decisions or chooser.peer.was_complete:
        return
    first = chooser.decisions[0].time_ns
    last = max(one.to_ns for relation in chooser.relations for one in relation.unchoked)
    end = min(chooser.peer.completed_ns or last, last)
    rounds = [time for time in chooser.rounds_ns if time < end] or [first]
    for anchor, following in zip(rounds, [*rounds[1:], end + step // 2], strict=True):
        now = anchor
        while now + step // 2 < following:
            if now - first >= WINDOW_NS:
                yield now
            now += step
