"""What the programs know of text and time: wherever a stream is cut, the answer is that to the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import PktlabError
from pktlab.live.echo.core import HIGH_WATER, MAX_LINE, Answers, Question, Session, Uppercase, uppercase

SOME_TEXT = st.text(max_size=20).map(str.encode)
BYTES = st.lists(
    SOME_TEXT | st.binary(max_size=4) | st.sampled_from((b"\n", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f"))
).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@given(BYTES, st.lists(st.integers(0, 1 << 16)))
def test_wherever_a_stream_is_cut_the_answer_is_the_same(data: bytes, places: list[int]) -> None:
    stream = Uppercase()
    assert b"".join([*map(stream.receive, cut(data, places)), stream.finish()]) == uppercase(data)


@given(BYTES)
def test_every_line_has_one_answer(data: bytes) -> None:
    assert uppercase(data).split(b"\n") == [uppercase(line) for line in data.split(b"\n")]


@given(st.text())
def test_text_comes_back_in_capitals_and_nothing_else(text: str) -> None:
    assert uppercase(text.encode()).decode() == text.upper()


@given(st.lists(st.integers(0x80, 0xC1)).map(bytes))
def test_bytes_that_are_no_text_come_back_as_they_are(data: bytes) -> None:
    assert uppercase(data) == data


@given(BYTES, st.lists(st.integers(0, 1 << 16)))
def test_answers_are_lines_wherever_they_are_cut(data: bytes, places: list[int]) -> None:
    answers = Answers()
    lines = [line for piece in cut(data, places) for line in answers.receive(piece)]
    assert [*lines, answers.rest] == data.split(b"\n")


def test_an_answer_without_end_is_refused() -> None:
    answers = Answers()
    answers.receive(bytes(MAX_LINE))
    with pytest.raises(PktlabError, match="without the end of a line"):
        answers.receive(b"x")


def test_a_session_reads_nothing_more_of_one_that_does_not_read() -> None:
    session = Session(timeout_ns=10)
    session.began(0)
    session.receive(b"x" * HIGH_WATER, 1)
    assert not session.wants_input
    session.took(1, 2)
    assert session.wants_input
    assert session.deadline_ns == 12


def test_a_session_is_over_when_all_is_read_and_answered() -> None:
    session = Session(timeout_ns=10)
    session.receive("grü".encode()[:-1], 0)
    session.receive(b"", 0)
    assert (bytes(session.outgoing), session.is_half_closed, session.is_over) == (b"GR\xc3", True, False)
    session.took(3, 0)
    assert session.is_over


def test_a_question_is_asked_again_and_then_given_up() -> None:
    question = Question(wait_ns=100, tries=3)
    sent = [now for now in range(0, 700, 50) if question.is_due(now)]
    assert sent == [0, 100, 300]
    with pytest.raises(TimeoutError):
        question.is_due(700)
