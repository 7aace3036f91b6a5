"""The text exposition format, as strictly as it is written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness.exposition import BadExposition, parse

GOOD = b"""# HELP tcp_conn_total Connections.
# TYPE tcp_conn_total counter
tcp_conn_total{state="established",dst="[::1]:80"} 3
tcp_conn_total{state="refused",dst="a\\"b\\\\c\\n"} 1e3 1700000000000
# a comment of nobody's

# TYPE latency histogram
latency_bucket{le="0.1"} 1
latency_bucket{le="+Inf"} 2
latency_sum 0.3
latency_count 2
up 1
"""


def test_it_works() -> None:
    seen = parse(GOOD)
    assert seen.value("tcp_conn_total", state="established") == 3
    assert seen.value("tcp_conn_total") == 1003
    assert seen.label_values("tcp_conn_total", "dst") == {"[::1]:80", 'a"b\\c\n'}
    assert seen.types == {"tcp_conn_total": "counter", "latency": "histogram"}
    assert seen.cardinality()["latency_bucket"] == 2


def test_growth_and_what_has_fallen() -> None:
    before = parse(b'# TYPE c counter\nc{a="1"} 5\nc{a="2"} 5\n')
    after = parse(b'# TYPE c counter\nc{a="1"} 7\nc{a="3"} 1\n')
    assert after.since(before).value("c", a="1") == 2
    assert after.since(before).value("c", a="3") == 1
    assert after.fallen(before) == ['c{a="2"}']


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        (b"up 1", 1, "does not end in a line feed"),
        (b"up\n", 1, "not a sample"),
        (b"up one\n", 1, "one is not a value"),
        (b"up 0x1\n", 1, "0x1 is not a value"),
        (b"up 1_0\n", 1, "1_0 is not a value"),
        (b"\xff 1\n", 1, "not valid UTF-8"),
        (b"a 1\nb 1\na 2\n", 3, "do not stand together"),
        (b"a 1\na 1\n", 2, "a is there twice"),
        (b'a{x="1",y="2"} 1\na{y="2",x="1"} 1\n', 2, "is there twice"),
        (b"a 1\n# TYPE a counter\n", 2, "comes after its samples"),
        (b"# TYPE a counter\n# TYPE a counter\n", 2, "two TYPE lines"),
        (b"# TYPE a number\n", 1, "no type number"),
        (b"# TYPE a counter\na -1\n", 2, "counter a is -1.0"),
        (b"# TYPE a counter\na NaN\n", 2, "counter a is nan"),
        (b"# TYPE a counter\na +Inf\n", 2, "counter a is inf"),
        (b"a{x=1} 1\n", 1, "not a label"),
        (b'a{x="1" y="2"} 1\n', 1, "not a label"),
        (b'a{x="1",x="2"} 1\n', 1, "label x is there twice"),
        (b'{"a": 1}\n', 1, "not a sample"),
        (b"<html>\n", 1, "not a sample"),
        (b"a 1\n" * 200_000, 1, "more than 512 KiB"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(body: bytes, line: int, said: str) -> None:
    with pytest.raises(BadExposition, match="line") as caught:
        parse(body)
    assert caught.value.line == line
    assert said in str(caught.value)


@given(st.binary(max_size=300) | st.lists(st.sampled_from(GOOD.splitlines(True))).map(b"".join))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadExposition):
        seen = parse(body)
        assert seen.cardinality().total() == len(seen.samples)


def test_what_no_counting_leads_to_is_found_where_it_has_no_meaning() -> None:
    page = parse(
        b'# TYPE p summary\np{quantile="0.9"} NaN\np_sum 1e300\np_count 0\n'
        b"# TYPE g gauge\ng NaN\nu +Inf\nlarge 1e16\np_errors NaN\nfine 9007199254740991\n"
    )
    assert page.no_counts() == ["g nan", "u inf", "large 1e+16", "p_errors nan"]


def test_a_gauge_may_fall_whatever_it_is_called() -> None:
    before = parse(b"# TYPE ring_count gauge\nring_count 5\nother_count 5\n")
    after = parse(b"# TYPE ring_count gauge\nring_count 1\nother_count 1\n")
    assert after.fallen(before) == ["other_count"]
