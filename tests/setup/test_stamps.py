from __future__ import annotations

from pathlib import Path

from sandboxes.setup.stamps import Stamp, digest, files_below, write_atomically


def test_it_works(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "deep" / "stamp")
    assert not stamp.matches("key")
    stamp.write("key")
    assert stamp.matches("key")
    assert not stamp.matches("other")
    stamp.clear()
    assert not stamp.matches("key")


def test_a_digest_follows_content_and_not_time(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text("module a")
    before = digest("1.26", file)
    file.touch()
    assert digest("1.26", file) == before
    file.write_text("module b")
    assert digest("1.26", file) != before
    assert digest("1.27", file) != digest("1.26", file)


def test_a_digest_does_not_run_parts_together() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_a_missing_file_differs_from_an_empty_one(tmp_path: Path) -> None:
    missing = digest(tmp_path / "go.sum")
    (tmp_path / "go.sum").touch()
    assert digest(tmp_path / "go.sum") != missing


def test_files_below_leaves_out_what_is_ignored(tmp_path: Path) -> None:
    for name in ("src/a.js", "node_modules/x/b.js", "c.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = files_below(tmp_path, ignore=frozenset({"node_modules"}))
    assert {str(path.relative_to(tmp_path)) for path in found} == {"src/a.js", "c.json"}


def test_writing_leaves_no_part_behind(tmp_path: Path) -> None:
    write_atomically(tmp_path / "x", b"1")
    write_atomically(tmp_path / "x", b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"2"
