"""What is known of swarms as JSON documents; their JSON Schemas are in ``pktlab/contracts``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pktlab.torrent.choking import BEST, Choking, Chooser
from pktlab.torrent.ledger import Link
from pktlab.torrent.periods import Period
from pktlab.torrent.rarest import Picker
from pktlab.torrent.swarm import Peer, Torrent

__all__ = ["choking_document", "rarest_document", "swarm_document"]


def swarm_document(torrents: Sequence[Torrent]) -> dict[str, Any]:
    """Return what ``pktlab bt swarm --json`` prints.

    >>> swarm_document([])
    {'torrents': []}
    """
    return {"torrents": [_torrent(torrent) for torrent in torrents]}


def _torrent(torrent: Torrent) -> dict[str, Any]:
    first, last = torrent.span_ns
    return {
        "info_hash": torrent.info_hash or None,
        "name": torrent.name,
        "pieces": torrent.geometry.pieces,
        "piece_length": torrent.geometry.piece_length or None,
        "first_ns": first,
        "last_ns": last,
        "peers": [_peer(peer) for peer in torrent.peers],
        "transfers": [
            {
                "from": one.giver.name,
                "to": one.taker.name,
                "bytes": one.bytes,
                "blocks": one.blocks,
                "duplicates": one.duplicates,
                "bps": _rate(one.bytes, (one.first_ns, one.last_ns)),
            }
            for one in torrent.transfers.values()
        ],
    }


def _peer(peer: Peer) -> dict[str, Any]:
    return {
        "ip": peer.address[0],
        "port": peer.address[1],
        "client": peer.client,
        "pieces": len(peer.held),
        "pieces_first": len(peer.had or ()),
        "completed_ns": peer.completed_ns,
        "bytes_down": peer.bytes_down,
        "bytes_up": peer.bytes_up,
        "down_bps": _rate(peer.bytes_down, peer.down_ns),
        "up_bps": _rate(peer.bytes_up, peer.up_ns),
        "requests": peer.requests,
        "cancels": peer.cancels,
        "duplicates": peer.duplicates,
        "wasted": peer.wasted,
        "hash_failures": [[when, piece] for when, piece in peer.failures],
        "endgame_requests": peer.endgame,
        "endgame_ns": peer.endgame_ns,
        "joined_ns": peer.joined_ns,
        "left_ns": peer.left_ns,
        "dropped_ns": peer.dropped_ns,
        "held": [[when, index] for index, when in sorted(peer.held.items(), key=lambda item: (item[1], item[0]))],
        "connections": [_connection(link, way) for link, way in peer.links],
    }


def _connection(link: Link, way: int) -> dict[str, Any]:
    """Return a connection as the peer at that end has it."""
    remote = link.ends[1 - way]
    return {
        "transport": link.transport,
        "stream": link.stream,
        "port": link.ends[way][1],
        "remote_ip": remote[0],
        "remote_port": remote[1],
        "is_initiator": way == 0,
        "peer_id": link.peer_ids[way].hex() or None,
        "opened_ns": link.opened_ns,
        "closed_ns": link.closed_ns if link.is_over else None,
        "bytes": link.length[way],
        "missing": link.missing[way],
        "unknown": link.unknown[way],
        "is_encrypted": link.is_encrypted,
        "violations": link.violations[way],
    }


def _rate(moved: int, span: tuple[int, int] | None) -> int | None:
    """Return bits per second between the first and the last block; None if there is no time between them."""
    return round(8e9 * moved / (span[1] - span[0])) if span and span[1] > span[0] else None


# ---- choking


def choking_document(torrent: Torrent, choking: Choking) -> dict[str, Any]:
    """Return what ``pktlab bt choking --json`` prints of a torrent."""
    total = choking.total
    return {
        "info_hash": torrent.info_hash or None,
        "best": BEST,
        "score": _rounded(total.score),
        "random": _rounded(total.random),
        "n": total.n,
        "clients": [
            {"client": client, "period": _period(rounds), "optimistic_period": _period(turns)}
            for client, (rounds, turns) in choking.periods.items()
        ],
        "peers": [_chooser(chooser) for chooser in choking.choosers],
    }


def _chooser(chooser: Chooser) -> dict[str, Any]:
    return {
        "peer": chooser.peer.name,
        "client": chooser.peer.client,
        "slots": chooser.slots,
        "period": _period(chooser.period),
        "optimistic_period": _period(chooser.optimistic),
        "score": _rounded(chooser.score),
        "random": _rounded(chooser.random),
        "n": chooser.n,
        "decisions": [
            {
                "time_ns": one.time_ns,
                "kind": one.kind,
                "choked": _names(one.choked),
                "unchoked": _names(one.unchoked),
                "optimistic": _names(one.optimistic),
            }
            for one in chooser.decisions
        ],
        "unchoked": [
            {"peer": relation.taker.name, "from_ns": one.from_ns, "to_ns": one.to_ns}
            for relation in chooser.relations
            for one in relation.unchoked
        ],
        "exceptions": [
            {"time_ns": sample.time_ns, "peer": taker.name, "place": place}
            for sample in chooser.samples
            for taker, place in sample.exceptions
        ],
    }


def _names(peers: Sequence[Peer]) -> list[str]:
    return [peer.name for peer in peers]


def _period(period: Period | None) -> dict[str, Any] | None:
    return None if period is None else {"seconds": period.seconds, "hits": period.hits, "n": period.n}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


# ---- rarest first


def rarest_document(torrent: Torrent, pickers: Sequence[Picker]) -> dict[str, Any]:
    """Return what ``pktlab bt rarest --json`` prints of a torrent."""
    places = [one.place for picker in pickers for one in picker.starts]
    return {
        "info_hash": torrent.info_hash or None,
        "place": _rounded(sum(places) / len(places)) if places else None,
        "random": 0.5,
        "n": len(places),
        "peers": [
            {
                "peer": picker.peer.name,
                "client": picker.peer.client,
                "place": _rounded(picker.place),
                "n": len(picker.starts),
                "starts": [
                    {
                        "time_ns": one.time_ns,
                        "piece": one.piece,
                        "from": one.giver.name,
                        "known": one.known,
                        "candidates": one.candidates,
                        "place": _rounded(one.place),
                    }
                    for one in picker.starts
                ],
            }
            for picker in pickers
        ],
    }
