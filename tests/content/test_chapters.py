"""Both languages say the same things in the same places, and every reference leads somewhere."""

from __future__ import annotations

import datetime as dt
import re
import tomllib

import pytest

from lastmile.course import content, render
from tests.content.reading import CONTENT, LANGUAGES, ROOT, Source, slugs, source, sources

pairs = pytest.mark.parametrize("slug", slugs())
each = pytest.mark.parametrize("chapter", sources(), ids=lambda s: str(s.path.relative_to(CONTENT)))


def test_every_chapter_is_written_in_both_languages() -> None:
    english = sorted(
        str(p.relative_to(CONTENT / "en").with_suffix("")) for p in (CONTENT / "en").rglob("*.md")
    )
    assert english == slugs()


def test_the_course_lists_what_is_written() -> None:
    assert sorted(entry.slug for entry in content.written()) == slugs()


def test_the_course_is_the_whole_syllabus() -> None:
    numbers = [entry.number for track in content.tracks() for entry in track.chapters]
    assert [n for n in numbers if n.startswith("2.")] == ["2.1", "2.2", "2.3", "2.4", "2.5"]
    assert numbers[0] == "1.1"
    assert numbers[-1] == "5.2"
    assert numbers == sorted(numbers)
    assert {n.split(".")[0] for n in numbers} == {"1", "2", "3", "4", "5"}


@pairs
def test_the_languages_have_the_same_sections(slug: str) -> None:
    chinese, english = (source(slug, language).headings for language in LANGUAGES)
    assert chinese == english
    anchors = [anchor for _, anchor in chinese]
    assert all(anchors), "a section has no anchor"
    assert len(set(anchors)) == len(anchors)


@pairs
def test_the_languages_have_the_same_callouts(slug: str) -> None:
    chinese, english = ([c.kind for c in source(slug, language).callouts] for language in LANGUAGES)
    assert chinese == english


@pairs
def test_the_languages_show_the_same_code(slug: str) -> None:
    shown = [
        [
            (f.language, {k: v for k, v in f.attributes.items() if k not in ("title", "caption")})
            for f in source(slug, language).fences
        ]
        for language in LANGUAGES
    ]
    assert shown[0] == shown[1]


@pairs
def test_the_languages_agree_on_the_facts_in_front(slug: str) -> None:
    chinese, english = (source(slug, language).front for language in LANGUAGES)
    for key in ("minutes", "updated", "labs", "skills"):
        assert chinese[key] == english[key], key
    assert len(chinese["interview"]) == len(english["interview"])


@each
def test_the_front_matter_is_complete(chapter: Source) -> None:
    front = chapter.front
    assert set(front) == {"title", "summary", "minutes", "updated", "labs", "skills", "interview"}
    assert front["title"]
    assert front["summary"]
    assert 5 <= front["minutes"] <= 40
    assert isinstance(front["updated"], dt.date)
    assert front["interview"]
    cells = {c["id"] for c in tomllib.loads((CONTENT / "skills.toml").read_text())["cells"]}
    assert front["skills"]
    assert set(front["skills"]) <= cells
    for lab in front["labs"]:
        assert (ROOT / "labs" / lab / "lab.toml").is_file(), lab


@each
def test_it_renders(chapter: Source) -> None:
    """Terms, files, declarations and regions that are not there raise BadContent."""
    language = chapter.path.relative_to(CONTENT).parts[0]
    done = render.render(chapter.body, language, content.terms())
    assert done.headings
    assert ":::" not in done.html
    assert "[[" not in re.sub(r"<pre.*?</pre>|<code>.*?</code>", "", done.html, flags=re.DOTALL)


@each
def test_links_lead_somewhere(chapter: Source) -> None:
    language = chapter.path.relative_to(CONTENT).parts[0]
    for kind, target in re.findall(r"\]\((chapter|lab):([^)]+)\)", chapter.prose):
        slug, _, anchor = target.partition("#")
        if kind == "lab":
            assert (ROOT / "labs" / slug / "lab.toml").is_file(), target
            continue
        assert slug in slugs(), target
        if anchor:
            assert anchor in [a for _, a in source(slug, language).headings], target


@each
def test_a_correction_has_claim_command_and_what_is_seen(chapter: Source) -> None:
    corrections = [c for c in chapter.callouts if c.kind == "correction"]
    assert corrections
    for correction in corrections:
        assert correction.title
        languages = re.findall(r"^```(\w+)", correction.text, re.MULTILINE)
        assert languages == ["sh", "text"], correction.title
        why = re.sub(r"```.*?```", "", correction.text, flags=re.DOTALL).strip()
        assert len(why) >= 40, f"{correction.title}: says not why"


@each
def test_a_chapter_asks_and_draws(chapter: Source) -> None:
    kinds = [c.kind for c in chapter.callouts]
    assert kinds.count("check") >= 1
    assert [f for f in chapter.fences if f.language == "mermaid"]
    for diagram in (f for f in chapter.fences if f.language == "mermaid"):
        assert len(diagram.attributes["caption"]) > 20


def test_the_chapter_of_the_first_lab_is_the_fullest() -> None:
    chapter = source("operators/reconcile", "en")
    kinds = [c.kind for c in chapter.callouts]
    assert kinds.count("correction") >= 3
    assert kinds.count("check") >= 6
    assert kinds.count("note") >= 2
    assert len([f for f in chapter.fences if f.language == "mermaid"]) >= 2


def test_every_check_of_a_lab_points_at_a_section_that_exists() -> None:
    for manifest in ROOT.glob("labs/*/*/lab.toml"):
        lab = tomllib.loads(manifest.read_text(encoding="utf-8"))
        for language in LANGUAGES:
            anchors = {anchor for _, anchor in source(lab["chapter"], language).headings}
            for check in lab["checks"]:
                assert check["section"] in anchors, f"{lab['slug']}, {check['id']}"
