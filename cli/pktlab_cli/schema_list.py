"""``pktlab schema list``: the protocols that are known."""

from __future__ import annotations

from pktlab_cli.options import color_option, command, json_option
from pktlab_cli.printing import Printer, table

__all__ = ["list_schemas"]


@command("list", "pktlab schema list", "pktlab schema list --json")
@json_option
@color_option
def list_schemas(as_json: bool, out: Printer) -> None:
    """List the protocols that are known, from the link up; `schema show NAME` draws one."""
    from pktlab.wire import PROTOCOLS
    from pktlab_cli.catalog import title

    rows = [
        {
            "name": title(header),
            "label": header.label,
            "header_len": header.HEADER_LEN,
            "has_more": bool(header.schema.tail),
            "fields": sum(bool(row.name) for row in header.schema.rows),
        }
        for header in PROTOCOLS
    ]
    if as_json:
        out.json(rows)
        return
    shown = [("name", "bytes", "fields", "protocol")]
    shown += [
        (
            str(row["name"]),
            f"{row['header_len']}{'+' if row['has_more'] else ' '}",
            str(row["fields"]),
            str(row["label"]),
        )
        for row in rows
    ]
    heading, *lines = table(shown, right=[1, 2])
    out.line(out.paint(heading, "heading"))
    out.lines(lines)
