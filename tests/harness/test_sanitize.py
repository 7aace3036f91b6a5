"""A learner's output made safe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labs.harness import sanitize
from labs.harness.sanitize import Lines, clean_lines


def test_it_works() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\n") == ["two"]
    assert lines.end() == []


def test_escape_sequences_are_taken_out() -> None:
    assert sanitize.clean("\x1b[31mred\x1b[0m \x1b]0;title\x07ok\x1b(B") == "red ok"
    assert sanitize.clean("\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\") == "link"


def test_control_and_bidirectional_characters_are_taken_out() -> None:
    assert sanitize.clean("a\x00b\rc\u202ed\te") == "abcd\te"


def test_html_stays_text_for_the_page_to_escape() -> None:
    assert sanitize.clean("</script>") == "</script>"


def test_invalid_utf8_is_replaced() -> None:
    assert Lines().feed(b"\xff\xfeok\n") == ["\ufffd\ufffdok"]


def test_a_line_of_a_gigabyte_takes_no_memory() -> None:
    lines = Lines()
    for _ in range(1024):
        assert lines.feed(b"x" * 65536) == []
    [line] = lines.feed(b"\n")
    assert line == "x" * 4096 + "…"


def test_after_the_total_nothing_more_comes() -> None:
    lines = Lines(max_total=10)
    assert lines.feed(b"12345\n") == ["12345"]
    assert not lines.cut
    assert lines.feed(b"67890\nabc\n") == []
    assert lines.cut


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_whatever_comes_is_printable_however_it_is_cut(parts: list[bytes]) -> None:
    whole, pieces = Lines(), Lines()
    joined = whole.feed(b"".join(parts)) + whole.end()
    one_by_one = [line for part in parts for line in pieces.feed(part)] + pieces.end()
    assert joined == one_by_one
    for line in joined:
        assert "\n" not in line
        assert "\x1b" not in line


def test_lines_keep_their_breaks_and_nothing_else() -> None:
    assert clean_lines("a\x1b[31mb\x1b[0m\r\n\tc\u202e\n") == "ab\n\tc\n"
