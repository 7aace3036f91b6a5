"""Markdown of the content reference → HTML."""

from __future__ import annotations

import pytest

from labs.harness.events import Text
from lastmile.course.content import BadContent, Term
from lastmile.course.render import Rendered, render

TERMS = {
    "reconcile": Term("reconcile", Text("调谐", "reconcile"), Text("让 `spec` 成真。", "Makes `spec` true."))
}


def shown(text: str, language: str = "en") -> Rendered:
    return render(text, language, TERMS)


def test_it_works() -> None:
    page = shown("One *word*.\n\n## A section {#first}\n\nText.\n\n### Below `it` {#second}\n")
    assert "<em>word</em>" in page.html
    assert [(h.id, h.level, h.text) for h in page.headings] == [
        ("first", 2, "A section"),
        ("second", 3, "Below it"),
    ]
    assert '<h2 id="first">A section</h2>' in page.html


def test_html_in_the_text_is_shown_as_text() -> None:
    html = shown("<script>alert(1)</script>\n\na <b onclick=x>b</b> [x](javascript:alert(1))").html
    assert "<script" not in html
    assert "<b " not in html
    assert 'href="javascript' not in html


def test_a_term_leads_to_its_card() -> None:
    page = shown("A [[reconcile]] and [[reconcile|reconciling]].", "zh")
    assert '<a class="term" href="#term-reconcile">调谐</a>' in page.html
    assert ">reconciling</a>" in page.html
    assert page.terms == ("reconcile",)


def test_a_term_that_is_not_in_the_glossary_is_refused() -> None:
    with pytest.raises(BadContent, match="nowhere"):
        shown("[[nowhere]]")


def test_a_term_card_says_both_languages() -> None:
    html = shown("::: term reconcile\n:::\n", "zh").html
    assert "<strong>调谐</strong>" in html
    assert 'lang="en">reconcile<' in html
    assert "<code>spec</code>" in html


def test_a_note_goes_to_the_margin() -> None:
    html = shown("::: note About `x`\nBody **bold**.\n:::\n").html
    assert '<aside class="margin-note"' in html
    assert "About <code>x</code>" in html
    assert "<strong>bold</strong>" in html


def test_a_correction_has_claim_command_and_what_you_see() -> None:
    source = "::: correction Events say what happened\n```sh\nkubectl get x\n```\n```text\nnothing\n```\nBecause.\n:::\n"
    html = shown(source).html
    order = [
        html.index(part)
        for part in ("Events say what happened", "kubectl", "What you see", "nothing", "Because.")
    ]
    assert order == sorted(order)


def test_a_question_without_choices_folds_its_answer() -> None:
    html = shown("::: check Why?\nSo.\n:::\n").html
    assert "<details><summary>Show the answer</summary>" in html
    assert "<form" not in html


def test_a_question_with_one_right_choice_has_radio_buttons() -> None:
    html = shown("::: check How often?\n- [ ] twice — no, once\n- [x] once\n\nAfter.\n:::\n").html
    assert html.count('type="radio"') == 2
    assert html.count('data-right="yes"') == 1
    assert '<p class="remark" hidden>no, once</p>' in html
    assert html.index("<details>") < html.index("After.")


def test_several_right_choices_have_check_boxes() -> None:
    assert shown("::: check Which?\n- [x] a\n- [x] b\n- [ ] c\n:::\n").html.count('type="checkbox"') == 3


def test_a_line_below_the_last_choice_is_the_explanation() -> None:
    html = shown("::: check Which?\n- [ ] a\n- [x] b\nThe reason.\n:::\n").html
    assert html.index("<details>") < html.index("The reason.")


def test_call_outs_can_hold_each_other() -> None:
    html = shown(":::: warning Outer\n::: note Inner\nx\n:::\n::::\n").html
    assert html.index("callout-warning") < html.index("margin-note")
    assert ":::" not in html


def test_links_to_chapters_and_labs_are_followed_and_listed() -> None:
    page = shown("[a](chapter:operators/reconcile#children) [b](lab:operators/database)")
    assert 'href="/chapters/operators/reconcile/#children"' in page.html
    assert 'href="/labs/operators/database/"' in page.html
    assert page.links == ("chapter:operators/reconcile#children", "lab:operators/database")


def test_a_diagram_needs_words_for_those_who_do_not_see_it() -> None:
    html = shown('```mermaid {caption="From event to Reconcile"}\nflowchart LR\n a --> b\n```\n').html
    assert 'role="img" aria-label="From event to Reconcile"' in html
    assert "a --&gt; b" in html
    with pytest.raises(BadContent, match="caption"):
        shown("```mermaid\nflowchart LR\n```\n")


def test_the_words_around_content_follow_the_language() -> None:
    source = "::: check 问？\n答\n:::\n"
    assert "看答案" in shown(source, "zh").html
    assert "Show the answer" in shown(source, "en").html


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("在虚拟机里\n进行", "<p>在虚拟机里进行</p>"),
        ("先看，\n再改", "<p>先看，再改</p>"),
        ("**先看**\n再改", "<p><strong>先看</strong>\n再改</p>"),
        ("用 kubectl\n看", "<p>用 kubectl\n看</p>"),
        ("two\nlines", "<p>two\nlines</p>"),
    ],
)
def test_chinese_goes_on_in_the_next_line_without_a_space(text: str, seen: str) -> None:
    assert shown(text, "zh").html.strip() == seen
