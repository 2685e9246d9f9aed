"""Every header of every protocol page keeps what a codec promises."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pktlab.testing import damaged, from_schema
from pktlab.wire import Header

from .codecs import HEADERS, assert_fused_equals_stock, build, check_any_bytes, check_codec

every_header = pytest.mark.parametrize("header", HEADERS, ids=lambda header: f"{header.layer}-{header.__name__}")


@every_header
def test_codec(header: type[Header]) -> None:
    @settings(max_examples=10)
    @given(from_schema(header))
    def check(value: Header) -> None:
        check_codec(value)

    check()


@every_header
def test_any_bytes_give_a_value_or_a_wire_error(header: type[Header]) -> None:
    @settings(max_examples=15)
    @given(st.binary(max_size=120) | damaged(header).map(lambda case: case.data))
    def check(data: bytes) -> None:
        check_any_bytes(header, data)

    check()


@every_header
def test_values_with_faults_build_and_parse_or_are_refused(header: type[Header]) -> None:
    @settings(max_examples=10, suppress_health_check=list(HealthCheck))  # a fault in a length asks for much
    @given(from_schema(header, faults=True))
    def check(value: Header) -> None:
        check_any_bytes(header, build(value))

    check()


@every_header
def test_fused_reading_equals_a_stock_struct(header: type[Header]) -> None:
    @settings(max_examples=20)
    @given(st.binary(min_size=header.HEADER_LEN, max_size=header.HEADER_LEN + 8))
    def check(data: bytes) -> None:
        assert_fused_equals_stock(header, data)

    check()


@pytest.mark.thorough
@every_header
def test_codec_thoroughly(header: type[Header]) -> None:
    @settings(max_examples=250)
    @given(from_schema(header), damaged(header), st.binary(max_size=400))
    def check(value: Header, case: tuple[bytes, object], noise: bytes) -> None:
        check_codec(value)
        check_any_bytes(header, case[0])
        check_any_bytes(header, noise)

    check()
