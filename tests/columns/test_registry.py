"""The names of fields, and what is known of each."""

from __future__ import annotations

import pytest

import pktlab
from pktlab.columns.registry import FieldType, registry
from pktlab.wire import PROTOCOLS

FIELDS = list(registry())


def test_every_row_of_every_schema_is_there() -> None:
    rows = {row.name for header in PROTOCOLS for row in header.schema.rows if row.name}
    assert rows <= {one.name for one in FIELDS}


@pytest.mark.parametrize("one", FIELDS, ids=lambda one: one.name)
def test_what_is_said_of_a_field_fits(one: FieldType) -> None:
    assert registry().find(one.name) is one
    assert (one.source == "row") == bool(one.rows)
    assert all(part in registry() for part in one.parts)
    assert all(row.name == one.name for _, row in one.rows)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(pktlab.SchemaError, match=r"did you mean udp\.srcport\?"):
        registry().find("udp.srcprt")
