"""SQL over the columns of captures, by DuckDB inside this process: the only importer of duckdb.

The view ``packets`` has a STRUCT a protocol. Which columns there are is read out of the query, so that nothing else is
taken from the packets. DuckDB asks for them as a stream of Arrow batches, once for each time the query names the view.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pktlab.columns.registry import Registry
from pktlab.errors import MissingExtra, PktlabError, QueryError

try:
    import duckdb
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra(error.name or "duckdb", "pktlab-toolkit[sql]") from None

__all__ = ["Database", "columns_in"]

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_MEMORY = "1GB"
_ROWS = 10_000  # of a batch of results
Tree = dict[str, Any]


class Database:
    """A database that knows one view, ``packets``, and reaches nothing else.

    Parameters
    ----------
    names : of the columns of the view; known : all that could be, for messages
    """

    def __init__(self, names: Sequence[str], known: Registry) -> None:
        self.names, self.known = names, known
        self._connection = duckdb.connect(":memory:", config=_SETTINGS)
        self._raised: list[BaseException] = []

    def read(self, schema: Any, open_batches: Callable[[], Iterable[Any]]) -> None:
        """Let the view be what `open_batches` gives, a new run of record batches at each call."""
        self._connection.register("columns", _Stream(schema, open_batches, self._raised))
        self._make_view()

    def read_parquet(self, paths: Sequence[Path]) -> None:
        """Let the view be exported files, which DuckDB reads itself."""
        allowed = ", ".join(_quoted(str(path), "'") for path in paths)
        self._connection.execute(f"set allowed_paths = [{allowed}]")
        self._connection.execute(f"create view columns as select * from read_parquet([{allowed}])")
        self._make_view()

    def _make_view(self) -> None:
        view = ", ".join(f"{_packed(tree)} as {_quoted(name)}" for name, tree in _tree(self.names, self.known).items())
        with _said(self.known, self._raised):
            self._connection.execute(f"create view packets as select {view} from columns")
            for setting in (
                f"memory_limit = '{_MEMORY}'",
                "enable_external_access = false",
                "lock_configuration = true",
            ):
                self._connection.execute(f"set {setting}")

    def ask(self, query: str) -> tuple[Any, Iterator[Any]]:
        """Return the schema of what `query` gives, and its record batches as they come.

        Raises
        ------
        QueryError : it does not read, or asks for what is not there
        """
        with _said(self.known, self._raised):
            reader = self._connection.sql(query).to_arrow_reader(_ROWS)
        return reader.schema, self._batches(reader)

    def _batches(self, reader: Any) -> Iterator[Any]:
        with _said(self.known, self._raised):
            yield from reader

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()


class _Stream:
    """Batches that can be read several times, by the protocol that Arrow's libraries share."""

    def __init__(
        self, schema: Any, open_batches: Callable[[], Iterable[Any]], raised: list[BaseException]
    ) -> None:  # fmt: skip
        self._schema, self._open, self._raised = schema, open_batches, raised

    def __arrow_c_schema__(self) -> Any:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pa.RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[Any]:
        try:
            yield from self._open()
        except (PktlabError, OSError, KeyboardInterrupt) as error:
            self._raised.append(error)  # DuckDB makes a text of what passes through it
            raise


# ---- what a query names


def columns_in(query: str, known: Registry, usual: Sequence[str]) -> list[str]:
    """Return the fields that `query` takes from the view; all that are `usual` for a ``*``.

    Raises
    ------
    QueryError : it does not read, or is no single SELECT
    SchemaError : it names a field of a protocol that has none such

    >>> from pktlab.columns.registry import registry
    >>> sorted(columns_in("select p.ip.src, avg(udp.length) from packets p where tcp.flags.syn", registry(), ()))
    ['ip.src', 'tcp.flags.syn', 'udp.length']
    """
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    try:
        text = connection.execute("select json_serialize_sql(?)", [query]).fetchall()[0][0]
    finally:
        connection.close()
    parsed = json.loads(text)
    if parsed["error"]:
        why = parsed["error_message"]
        raise QueryError("SQL: " + ("only SELECT is possible" if "SELECT" in why else _line(why)))
    if len(parsed["statements"]) != 1:
        raise QueryError("SQL: " + ("one SELECT at a time" if parsed["statements"] else "there is nothing in it"))
    found: dict[str, None] = {}
    for node in _nodes(parsed):
        if node.get("class") == "STAR":
            found.update(dict.fromkeys(usual))
        elif node.get("class") == "COLUMN_REF":
            parts = [part.lower() for part in node["column_names"]]
            names = _named(parts, known, usual)
            if not names and len(parts) > 1 and known.get(parts[0]) is not None:
                known.find(".".join(parts))  # says which name is near
            found.update(dict.fromkeys(names))
    return list(found)


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    waiting = [node]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict):
            yield one
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


def _named(parts: list[str], known: Registry, usual: Sequence[str]) -> list[str]:
    """Return the fields that a name of several parts stands for; the first part may be that of a table."""
    for some in (parts, parts[1:]):
        for count in range(len(some), 0, -1):
            one = known.get(".".join(some[:count]))
            if one is not None and one.kind != "protocol":
                return [one.name]
        lead = f"{'.'.join(some)}."
        if inside := [one.name for one in known if one.name.startswith(lead) and one.kind != "protocol"]:
            return [name for name in usual if name.startswith(lead)] or inside
    return []


# ---- the view


def _tree(names: Iterable[str], known: Registry) -> Tree:
    """Return columns as a tree by the parts of their names; a value that has others below it is ``value``.

    >>> from pktlab.columns.registry import registry
    >>> _tree(["ip.src", "udp.checksum", "udp.checksum.verdict"], registry())["udp"]
    {'checksum': {'value': 'udp.checksum', 'verdict': 'udp.checksum.verdict'}}
    """
    parents = {one.name.rpartition(".")[0] for one in known}
    parents |= {name.rpartition(".")[0] for name in parents}
    tree: Tree = {}
    for name in names:
        parts = name.split(".") + (["value"] if name in parents else [])
        inner = tree
        for part in parts[:-1]:
            inner = inner.setdefault(part, {})
        inner[parts[-1]] = name
    return tree


def _packed(tree: Tree | str) -> str:
    if isinstance(tree, str):
        return _quoted(tree)
    return f"struct_pack({', '.join(f'{_quoted(name)} := {_packed(one)}' for name, one in tree.items())})"


def _quoted(name: str, mark: str = '"') -> str:
    return mark + name.replace(mark, 2 * mark) + mark


# ---- what goes wrong


class _said:  # noqa: N801 - reads as what it does
    """Turn an error of DuckDB into what was `raised` below it, or into one line, with the nearest name."""

    def __init__(self, known: Registry, raised: list[BaseException]) -> None:
        self.known, self.raised = known, raised

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, duckdb.Error | pa.ArrowException):
            if self.raised:
                raise self.raised.pop() from None
            if isinstance(error, duckdb.InterruptException):
                raise KeyboardInterrupt from None
            raise QueryError(f"SQL: {_line(str(error))}") from None


def _line(text: str) -> str:
    """Return what a message of DuckDB says, without its drawing of the place."""
    lines = [line.strip() for line in text.split("\n\nLINE ")[0].splitlines() if line.strip()]
    said = lines[0]
    for label in ("Binder Error: ", "Parser Error: ", "Catalog Error: ", "Conversion Error: "):
        said = said.removeprefix(label)
    hints = [line for line in lines[1:] if line.startswith(("Candidate", "Did you mean"))]
    return " ".join([said, *(f"({hint})" for hint in hints[:1] if len(hint) < 200 and not hint.endswith(":"))])
