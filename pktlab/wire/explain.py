"""A checksum explained as a teacher would at the blackboard: what is summed, word by word, the carries, the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pktlab.wire.checksum import fold, ones_sum, swap
from pktlab.wire.coverage import Coverage, Doubt, coverage
from pktlab.wire.dissection import Dissection
from pktlab.wire.fills import Crc32c
from pktlab.wire.rows import Found
from pktlab.wire.verdict import Judgement, Verdict, expected_checksum

__all__ = ["explain", "explain_bytes"]

_WORDS_A_LINE = 8


def explain(packet: Dissection, judgement: Judgement, *, whole: bool = False, cut: bool = False) -> list[str]:
    r"""Return the lines that explain one verdict of `packet`.

    `whole` and `cut` are as given to `judge`, whose verdict it is.

    >>> from pktlab.wire import build, dissect
    >>> from pktlab.wire.ipv4 import Ip
    >>> from pktlab.wire.udp import Udp
    >>> from pktlab.wire.verdict import judge
    >>> data = build(Ip(src="10.0.0.1", dst="10.0.0.2", proto=17), Udp(srcport=1, dstport=2), b"hi")
    >>> packet = dissect(data, Ip)
    >>> print("\n".join(explain(packet, judge(packet)[0])[-4:]))
      sum         0xffff   no carry to add back
      complement  0x0000   0 if every bit is right
    stored 0x66cd, should be 0x66cd
    verdict: good: with the stored value the sum is 0xffff
    """
    covered = coverage(packet, judgement.layer, whole=whole, cut=cut)
    title = f"{judgement.protocol} checksum of layer {judgement.layer}"
    if not isinstance(covered, Coverage):
        why = covered.why if isinstance(covered, Doubt) else judgement.note
        return [title, f"verdict: {judgement.verdict}: {why}"]
    lines = [f"{title}: the field is the word at byte {covered.at}", ""]
    if isinstance(covered.rule, Crc32c):
        return [*lines, *_crc_lines(judgement, covered)]
    board = _Board()
    if covered.pseudo is not None:
        lines += _pseudo_lines(board, covered)
    lines += _packet_lines(board, packet, covered)
    lines += ["", *_result_lines(board, judgement, expected_checksum(packet.data, covered))]
    return lines


def _crc_lines(judgement: Judgement, covered: Coverage) -> list[str]:
    """Return what can be said of a CRC: no words to add up, a remainder over all bits."""
    return [
        f"CRC32c over {covered.length} bytes, the field taken as zero; no pseudo-header",
        f"stored {judgement.found or 0:#010x}, should be {judgement.expected or 0:#010x}",
        f"verdict: {judgement.verdict}" + (f": {judgement.cause}" if judgement.cause else ""),
    ]


def explain_bytes(data: bytes, initial: int = 0) -> list[str]:
    r"""Return the lines that explain the checksum of plain bytes.

    >>> print("\n".join(explain_bytes(bytes.fromhex("666055558f0c"))))
    data, 6 bytes
           6660 5555 8f0c                           sum 0x4ac2  1 carry
    <BLANKLINE>
      sum         0x4ac2
      complement  0xb53d   the checksum
    """
    board = _Board(initial)
    lines = [f"data, {len(data)} bytes" + (f", added to {initial:#06x}" if initial else "")]
    lines += _word_rows(board, data)
    return [
        *lines,
        "",
        f"  sum         {board.total:#06x}",
        f"  complement  {board.total ^ 0xFFFF:#06x}   the checksum",
    ]


class _Board:
    """The running one's-complement sum and the carries that were added back."""

    def __init__(self, initial: int = 0) -> None:
        self.total = fold(initial)
        self.carries = 0

    def add(self, word: int) -> int:
        """Add a word; return how many carries came out of the top (0 or 1)."""
        total = self.total + word
        carry = total >> 16
        self.total = (total & 0xFFFF) + carry
        self.carries += carry
        return carry


def _words(data: bytes) -> list[int]:
    padded = data + b"\0" * (len(data) % 2)
    return [int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2)]


def _carry_text(count: int) -> str:
    return "" if not count else "  1 carry" if count == 1 else f"  {count} carries"


def _word_rows(board: _Board, data: bytes) -> Iterator[str]:
    for start in range(0, len(data), 2 * _WORDS_A_LINE):
        piece = data[start : start + 2 * _WORDS_A_LINE]
        carries = sum(board.add(word) for word in _words(piece))
        shown = " ".join(f"{word:04x}" for word in _words(piece))
        pad = "  an odd last byte gets a zero behind it" if len(piece) % 2 else ""
        yield f"       {shown:<39}  sum {board.total:#06x}{_carry_text(carries)}{pad}"


def _named_row(board: _Board, data: bytes, name: str, value: str) -> str:
    carries = sum(board.add(word) for word in _words(data))
    shown = " ".join(f"{word:04x}" for word in _words(data))
    return f"       {shown:<39}  sum {board.total:#06x}{_carry_text(carries):<11}  {name}{f' {value}' if value else ''}"


def _pseudo_lines(board: _Board, covered: Coverage) -> Iterator[str]:
    assert covered.pseudo is not None
    data = covered.pseudo.build()
    spans = type(covered.pseudo).parse(data).spans()
    note = f" ({covered.ends.note})" if covered.ends is not None and covered.ends.note else ""
    yield f"{covered.pseudo.label}, not sent but summed{note}: {data.hex()}"
    yield from _span_rows(board, data, 0, len(data), spans)


def _span_rows(board: _Board, data: bytes, start: int, end: int, spans: Sequence[Found]) -> Iterator[str]:
    """Name the words by the fields in them; fields of odd length are taken together until they make whole words."""
    whole = [found for found in spans if found.row.mask is None and found.row.kind not in ("header", "group")]
    packed: dict[int, list[Found]] = {}
    for found in spans:
        if found.row.mask is not None and "." not in found.row.attr:
            packed.setdefault(found.start, []).append(found)
    at, names = start, []
    position = start
    while position < end:
        here = [one for one in whole if one.start == position and one.stop > position][:1]
        stop = here[0].stop if here else min(position + 2 - (position - at) % 2, end)
        names += [_field_text(one) for one in here or packed.get(position, [])]
        position = min(stop, end)
        if (position - at) % 2 == 0 or position == end:
            yield _named_row(board, data[at:position], ", ".join(name for name in names if name), "")
            at, names = position, []


def _field_text(found: Found) -> str:
    value = found.value
    name = found.row.value_name(value)
    if isinstance(value, bytes):
        text = "" if not any(value) else value.hex()[:24]
    else:
        text = name or found.text
    return f"{found.row.label.lower()} {text}".rstrip()


def _packet_lines(board: _Board, packet: Dissection, covered: Coverage) -> Iterator[str]:
    layer = next(one for one in packet.layers if one.start == covered.start and one.header is not None)
    data = packet.data
    stop = min(layer.stop, covered.end)
    yield f"{layer.protocol} header, {stop - covered.start} bytes, as it was received"
    fixed_end = min(layer.start + (layer.header.HEADER_LEN if layer.header else 0), stop)
    spans = [found for found in layer.spans() if found.stop <= fixed_end]
    yield from _span_rows(board, data, covered.start, fixed_end, spans)
    if fixed_end < stop:
        yield "     options and what else the header has"
        yield from _word_rows(board, data[fixed_end:stop])
    if stop < covered.end:
        yield f"data, {covered.end - stop} bytes"
        yield from _odd_start(board, data[stop : covered.end], (stop - covered.start) % 2)


def _odd_start(board: _Board, data: bytes, odd: int) -> Iterator[str]:
    if not odd:
        yield from _word_rows(board, data)
        return
    before = board.total
    total = fold(before + swap(ones_sum(data)))
    yield f"       {len(data)} bytes that start at an odd offset: byte-swapped, they add {swap(ones_sum(data)):#06x}"
    board.total = total


def _result_lines(board: _Board, judgement: Judgement, expected: int) -> Iterator[str]:
    carries = f"{_carry_text(board.carries).strip()} added back in all" if board.carries else "no carry to add back"
    yield f"  sum         {board.total:#06x}   {carries}"
    yield f"  complement  {board.total ^ 0xFFFF:#06x}   0 if every bit is right"
    yield f"stored {judgement.found or 0:#06x}, should be {expected:#06x}"
    yield f"verdict: {judgement.verdict}: {_reason(judgement)}"


def _reason(judgement: Judgement) -> str:
    """Return why the verdict is what it is."""
    reasons = [judgement.cause, judgement.note]
    if judgement.verdict is Verdict.good:
        reasons.insert(0, "with the stored value the sum is 0xffff")
    elif judgement.verdict is Verdict.bad:
        reasons.insert(0, "with the stored value the sum is not 0xffff")
        reasons[1] = reasons[1] or "no known mistake explains it"
    return "; ".join(reason for reason in reasons if reason)
