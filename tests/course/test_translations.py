"""Both languages are complete: catalogues, scripts, and no English sentence on a Chinese page."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest

from lastmile.course import messages, translations

WORDS = Path(translations.__file__).parents[1] / "assets" / "src" / "lib" / "words.js"
TIGHT = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")
VARIABLES = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


def test_it_works(tmp_path: Path) -> None:
    folder = tmp_path / "zh_Hans" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(
        'msgid ""\nmsgstr "Plural-Forms: nplurals=1; plural=0;\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "one"\nmsgstr "一"\n\nmsgid "long "\n"line"\nmsgstr "长"\n\n'
        'msgid "%(n)s day"\nmsgid_plural "%(n)s days"\nmsgstr[0] "%(n)s 天"\n\n#, fuzzy\nmsgid "unsure"\nmsgstr "？"\n'
    )
    assert translations.compile_all(tmp_path) == [folder / "django.mo"]
    with (folder / "django.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    assert catalogue.gettext("one") == "一"
    assert catalogue.gettext("long line") == "长"
    assert catalogue.ngettext("%(n)s day", "%(n)s days", 3) == "%(n)s 天"
    assert catalogue.gettext("unsure") == "unsure"
    assert translations.compile_all(tmp_path) == []


def test_every_string_is_translated_and_none_is_left_over() -> None:
    known = {key for key in messages.catalogue() if key}
    assert messages.used() == known


def test_the_search_for_strings_finds_what_pages_say() -> None:
    used = messages.used()
    assert "Sign in" in used
    assert "%(n)s minute\0%(n)s minutes" in used
    assert "Not yet" in used


@pytest.mark.parametrize("key", sorted(key for key in messages.catalogue() if key))
def test_a_translation_keeps_its_variables(key: str) -> None:
    text = messages.catalogue()[key]
    assert set(VARIABLES.findall(text)) == set(VARIABLES.findall(key.split("\0")[0]))
    assert "！" not in text
    assert not re.search(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]", text), (
        "no space between Han and Latin"
    )


def _script_words() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    language = ""
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        if section := re.match(r"^  (zh|en): \{$", line):
            language = section[1]
            found[language] = {}
        elif word := re.match(r'^    (\w+): "((?:[^"\\]|\\.)*)",$', line):
            found[language][word[1]] = word[2]
    return found


def test_scripts_speak_both_languages() -> None:
    words = _script_words()
    assert len(words["en"]) > 50
    assert words["zh"].keys() == words["en"].keys()
    for key, text in words["en"].items():
        assert text
        assert set(VARIABLES.findall(words["zh"][key])) == set(VARIABLES.findall(text)), key


def test_scripts_count_in_english_and_need_not_in_chinese() -> None:
    words = _script_words()
    for key, text in words["en"].items():
        assert text.count("|") <= 1, key
        assert "|" not in words["zh"][key]
    assert words["en"]["lines"] == "{n} line|{n} lines"


def test_every_word_that_scripts_ask_for_is_there() -> None:
    known = _script_words()["en"]
    sources = [path for path in WORDS.parents[1].rglob("*.js") if path != WORDS]
    asked = {key for path in sources for key in re.findall(r'\bt\("(\w+)"', path.read_text(encoding="utf-8"))}
    assert asked
    assert asked <= known.keys()
