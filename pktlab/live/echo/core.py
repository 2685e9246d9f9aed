"""What the programs know of text and of time, without a socket and a clock: bytes and `now` in, bytes and times out.

TCP has no messages: what one `send` put in may come out of several `recv`, and a character of several bytes may be cut
in two. So the server answers as the bytes come, character by character, and the client counts lines: the answer to a
line ends where the line did. UDP has messages, but may lose one, or bring it twice: the client asks again after a time,
and never takes the answer to one line for that to another.

Bytes that are no UTF-8 come back as they went in. Text in capitals may take more bytes than before.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

from pktlab.errors import PktlabError

__all__ = ["PORT", "Answers", "Question", "Session", "Uppercase", "uppercase"]

PORT = 12_000
"""That of the lecture's programs."""
HIGH_WATER = 1 << 16
"""Bytes waiting to be sent from which on a server reads nothing more of a client that does not read its answers."""
MAX_LINE = 1 << 20
"""Bytes of a line that a client waits for, at most."""
ERRORS = "surrogateescape"
"""What cannot be decoded is kept in mind byte by byte, and encoded as it was."""


def uppercase(data: bytes) -> bytes:
    r"""Return text in capitals; what is no UTF-8 stays as it is.

    >>> uppercase("grüße".encode()).decode(), uppercase(b"a\xffb")
    ('GRÜSSE', b'A\xffB')
    """
    return data.decode("utf-8", ERRORS).upper().encode("utf-8", ERRORS)


class Uppercase:
    r"""The same for a stream that comes in pieces, wherever it was cut.

    >>> stream = Uppercase()
    >>> stream.receive(b"gr\xc3"), stream.receive(b"\xbcn"), stream.finish()
    (b'GR', b'\xc3\x9cN', b'')
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(ERRORS)

    def receive(self, data: bytes) -> bytes:
        """Return what can be answered by now: a character that is not all there yet is kept."""
        return self._decoder.decode(data).upper().encode("utf-8", ERRORS)

    def finish(self) -> bytes:
        """Return the answer to what is left when the stream has ended."""
        return self._decoder.decode(b"", final=True).upper().encode("utf-8", ERRORS)


@dataclass
class Session:
    """One client of the TCP server: what came, what has to go out, and until when something has to happen.

    A session is in one of three states: it reads; it has read everything (`is_half_closed`) and still sends; it
    `is_over`.

    timeout_ns : how long nothing may happen; deadline_ns : when that time is up
    """

    timeout_ns: int
    deadline_ns: int = 0
    is_half_closed: bool = False
    received: int = 0
    sent: int = 0
    _stream: Uppercase = field(default_factory=Uppercase)
    _outgoing: bytearray = field(default_factory=bytearray)

    @property
    def outgoing(self) -> memoryview:
        """What has to be sent."""
        return memoryview(self._outgoing).toreadonly()

    @property
    def wants_input(self) -> bool:
        """Whether more can be taken: the client reads its answers, and has not said that this was all."""
        return not self.is_half_closed and len(self._outgoing) < HIGH_WATER

    @property
    def is_over(self) -> bool:
        """Whether everything was read and answered."""
        return self.is_half_closed and not self._outgoing

    def began(self, now: int) -> None:
        """Start the time."""
        self.deadline_ns = now + self.timeout_ns

    def receive(self, data: bytes, now: int) -> None:
        """Take what `recv` returned: nothing at all means that the client will send no more."""
        self.deadline_ns = now + self.timeout_ns
        self.received += len(data)
        if data:
            self._outgoing += self._stream.receive(data)
        else:
            self._outgoing += self._stream.finish()
            self.is_half_closed = True

    def took(self, count: int, now: int) -> None:
        """Note that `send` took so many bytes of `outgoing`, which may be fewer than were given to it."""
        del self._outgoing[:count]
        self.sent += count
        self.deadline_ns = now + self.timeout_ns


class Answers:
    r"""The client's side of a stream: the answers to lines, wherever they were cut.

    >>> answers = Answers()
    >>> answers.receive(b"ON"), answers.receive(b"E\nTWO\nTH"), answers.rest
    ([], [b'ONE', b'TWO'], b'TH')
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """What has come of the next one."""
        return bytes(self._rest)

    def receive(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete by now.

        Raises
        ------
        PktlabError : one has more than a megabyte, and no end
        """
        lines, start = [], len(self._rest)
        self._rest += data
        while (end := self._rest.find(b"\n", start)) >= 0:
            lines.append(bytes(self._rest[:end]))
            del self._rest[: end + 1]
            start = 0
        if len(self._rest) > MAX_LINE:
            raise PktlabError(f"the server sent {MAX_LINE:,} bytes without the end of a line: that is no answer")
        return lines


@dataclass
class Question:
    """One line that is asked over UDP: when to send it, and when to give up.

    Every time the answer is waited for twice as long as before: the network may be the slower the more are asking.

    wait_ns : how long the first time; tries : how often it is sent at most
    """

    wait_ns: int
    tries: int
    sent: int = 0
    next_ns: int = 0
    """When to do something."""

    def is_due(self, now: int) -> bool:
        """Tell whether to send it now.

        Raises
        ------
        TimeoutError : it was sent often enough, and no answer has come
        """
        if now < self.next_ns:
            return False
        if self.sent >= self.tries:
            raise TimeoutError
        self.next_ns = now + (self.wait_ns << self.sent)
        self.sent += 1
        return True
