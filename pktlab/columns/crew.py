"""Work shared by threads, of which the one that asks is one: as many as there are cores, and none that only waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Condition, Lock, Thread
from typing import Generic, TypeVar

__all__ = ["in_order"]

_PATIENCE_S = 1.0
"""How long is waited for a helper in the end: one that compiles a kernel goes on by itself."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(items: Iterator[Item], work: Callable[[Item], Result], *, threads: int, most: int) -> Iterator[Result]:
    """Yield ``work(item)`` for each of `items`, in their order.

    Parameters
    ----------
    items : asked by one thread at a time; an item is worked on by the thread that got it
    threads : how many work, with the one that asks for results, which does so when none is ready
    most : items in use at a time, with the one whose result was given out last

    >>> list(in_order(iter(range(9)), lambda number: number * number, threads=3, most=4))
    [0, 1, 4, 9, 16, 25, 36, 49, 64]
    """
    crew = _Crew(items, work, most)
    helpers = [Thread(target=crew.help, daemon=True) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    try:
        yield from crew.results()
    finally:
        crew.stop()
        for helper in helpers:
            helper.join(_PATIENCE_S)


class _Crew(Generic[Item, Result]):
    """What threads that share work know in common; `gate` guards it, and whoever has `turn` asks for the next item."""

    def __init__(self, items: Iterator[Item], work: Callable[[Item], Result], most: int) -> None:
        self.items, self.work, self.most = items, work, most
        self.gate, self.turn = Condition(), Lock()
        self.done: dict[int, Result] = {}
        self.errors: dict[int, Exception] = {}
        self.taken = self.freed = 0
        self.is_over = False

    def help(self) -> None:
        """Work as long as there is some."""
        while True:
            with self.gate:
                self.gate.wait_for(lambda: self.is_over or self.has_room)
                if self.is_over:
                    return
            self.step(waits=True)

    def results(self) -> Iterator[Result]:
        """Yield what was done, in order; work where that is not yet there."""
        while True:
            place = self.freed
            with self.gate:
                while place not in self.done and not (self.is_over and place >= self.taken):
                    if place in self.errors:
                        raise self.errors[place]
                    if self.is_over or not self.has_room or self.turn.locked():
                        self.gate.wait()
                        continue
                    self.gate.release()
                    try:
                        self.step(waits=False)
                    finally:
                        self.gate.acquire()
                if place not in self.done:
                    return
                result = self.done.pop(place)
            yield result
            with self.gate:
                self.freed += 1
                self.gate.notify_all()

    @property
    def has_room(self) -> bool:
        """Whether another item may be in use."""
        return self.taken - self.freed < self.most

    def step(self, *, waits: bool) -> None:
        """Get an item, if it is this thread's turn, and work on it."""
        if not self.turn.acquire(blocking=waits):
            return
        try:
            mine = self._next()
        finally:
            self.turn.release()
            with self.gate:
                self.gate.notify_all()
        if mine is None:
            return
        place, item = mine
        try:
            result = self.work(item)
        except Exception as error:  # is raised where the result is asked for
            self._fail(place, error)
            return
        with self.gate:
            self.done[place] = result
            self.gate.notify_all()

    def _next(self) -> tuple[int, Item] | None:
        with self.gate:
            if self.is_over or not self.has_room:
                return None
            place = self.taken
        try:
            item = next(self.items)
        except StopIteration:
            self.stop()
            return None
        except Exception as error:  # is raised behind the results of what came before
            with self.gate:
                self.taken += 1
            self._fail(place, error)
            return None
        with self.gate:
            self.taken += 1
        return place, item

    def _fail(self, place: int, error: Exception) -> None:
        with self.gate:
            self.errors[place] = error
            self.is_over = True
            self.gate.notify_all()

    def stop(self) -> None:
        """Let no more work begin."""
        with self.gate:
            self.is_over = True
            self.gate.notify_all()
