"""`::: kind title` containers of chapters, made from markdown-it's tokens before inline parsing."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from lastmile.course.content import BadContent

KINDS = ("note", "warning", "correction", "check", "term")
WORDS = {
    "zh": {
        "note": "旁注",
        "warning": "当心",
        "correction": "更正",
        "check": "自测",
        "term": "术语",
        "claim": "流传的说法",
        "command": "自己验证",
        "see": "你会看到",
        "why": "为什么",
        "answer": "看答案",
        "try": "对答案",
        "choose": "选一项，或几项",
    },
    "en": {
        "note": "Note",
        "warning": "Careful",
        "correction": "Correction",
        "check": "Check yourself",
        "term": "Term",
        "claim": "The claim",
        "command": "See for yourself",
        "see": "What you see",
        "why": "Why",
        "answer": "Show the answer",
        "try": "Check my answer",
        "choose": "Choose one or more",
    },
}
Env = MutableMapping[str, Any]
_TASK = re.compile(r"^\[(?P<mark>[ xX])\]\s+(?P<text>.*)$", re.DOTALL)


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=text)


def _inline(text: str, level: int = 0) -> Token:
    return Token("inline", "", 0, content=text, children=[], level=level)


def transform(state: StateCore) -> None:
    """A core rule: runs between `block` and `inline`, innermost containers first."""
    state.tokens = _walk(state.tokens, state.env)


def _walk(tokens: Sequence[Token], env: Env) -> list[Token]:
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        kind = token.type.removeprefix("container_").removesuffix("_open")
        if token.type != f"container_{kind}_open" or kind not in KINDS:
            out.append(token)
            at += 1
            continue
        end = _close(tokens, at, kind)
        title = token.info.strip().removeprefix(kind).strip()
        inner = _walk(tokens[at + 1 : end], env)
        out.extend(_MAKERS[kind](title, inner, env))
        at = end + 1
    return out


def _close(tokens: Sequence[Token], start: int, kind: str) -> int:
    depth = 0
    for at in range(start, len(tokens)):
        if tokens[at].type == f"container_{kind}_open":
            depth += 1
        elif tokens[at].type == f"container_{kind}_close":
            depth -= 1
            if depth == 0:
                return at
    raise BadContent(f"::: {kind} is not closed")


def _words(env: Env) -> dict[str, str]:
    return WORDS[str(env["language"])]


def _number(env: Env) -> int:
    count = int(str(env.get("callouts", 0))) + 1
    env["callouts"] = count
    return count


def _note(title: str, inner: list[Token], env: Env) -> list[Token]:
    name = f"n{_number(env)}"
    head = [_html(f'<p class="callout-title" id="{name}">')]
    head += [_inline(title)] if title else [_html(escape(_words(env)["note"]))]
    return [
        _html(f'<aside class="margin-note" aria-labelledby="{name}">'),
        *head,
        _html("</p>"),
        *inner,
        _html("</aside>\n"),
    ]


def _warning(title: str, inner: list[Token], env: Env) -> list[Token]:
    name = f"n{_number(env)}"
    words = _words(env)
    open_ = f'<aside class="callout callout-warning" aria-labelledby="{name}"><p class="callout-title" id="{name}">'
    label = f'<span class="callout-kind">{words["warning"]}</span> '
    return [_html(open_ + label), _inline(title), _html("</p>"), *inner, _html("</aside>\n")]


def _correction(title: str, inner: list[Token], env: Env) -> list[Token]:
    words = _words(env)
    name = f"n{_number(env)}"
    command = _take_fence(inner, "sh")
    output = _take_fence(inner, "text")
    out = [
        _html(
            f'<section class="callout callout-correction" aria-labelledby="{name}">'
            f'<p class="callout-kind" id="{name}">{words["correction"]}</p><dl>'
            f'<dt>{words["claim"]}</dt><dd class="claim"><s class="claim-text">'
        ),
        _inline(title),
        _html("</s></dd>"),
    ]
    for label, fence in (("command", command), ("see", output)):
        if fence:
            out += [_html(f"<dt>{words[label]}</dt><dd>"), fence, _html("</dd>")]
    if inner:
        out += [_html(f"<dt>{words['why']}</dt><dd>"), *inner, _html("</dd>")]
    return [*out, _html("</dl></section>\n")]


def _take_fence(tokens: list[Token], language: str) -> Token | None:
    for at, token in enumerate(tokens):
        if token.type == "fence" and token.info.split("{")[0].strip() == language:
            return tokens.pop(at)
    return None


def _check(title: str, inner: list[Token], env: Env) -> list[Token]:
    words = _words(env)
    number = _number(env)
    head = [
        _html(
            f'<section class="callout callout-check" aria-labelledby="q{number}" data-question>'
            f'<p class="callout-kind">{words["check"]}</p><p class="question" id="q{number}">'
        ),
        _inline(title),
        _html("</p>"),
    ]
    choices, rest = _choices(inner, env)
    if not choices:
        body = [_html(f"<details><summary>{words['answer']}</summary>"), *inner, _html("</details>")]
        return [*head, *body, _html("</section>\n")]
    several = sum(right for right, _, _ in choices) > 1
    body = [
        _html(f'<form class="choices"><fieldset><legend class="visually-hidden">{words["choose"]}</legend>')
    ]
    for at, (right, text, remark) in enumerate(choices):
        body += _choice(number, at, several, right, text, remark)
    body.append(_html(f'</fieldset><button class="button" type="submit">{words["try"]}</button></form>'))
    body.append(_html(f'<details><summary>{words["answer"]}</summary><div class="answer">'))
    body += [_html("<ul>"), *(t for right, text, _ in choices if right for t in _item(text)), _html("</ul>")]
    return [*head, *body, *rest, _html("</div></details></section>\n")]


def _item(text: str) -> list[Token]:
    return [_html("<li>"), _inline(text), _html("</li>")]


def _choice(question: int, at: int, several: bool, right: bool, text: str, remark: str) -> list[Token]:
    kind = "checkbox" if several else "radio"
    name = f"q{question}c{at}"
    out = [
        _html(
            f'<div class="choice" data-right="{"yes" if right else "no"}"><label for="{name}">'
            f'<input type="{kind}" name="q{question}" id="{name}" value="{at}"><span>'
        ),
        _inline(text),
        _html("</span></label>"),
    ]
    if remark:
        out += [_html('<p class="remark" hidden>'), _inline(remark), _html("</p>")]
    return [*out, _html("</div>")]


def _choices(inner: list[Token], env: Env) -> tuple[list[tuple[bool, str, str]], list[Token]]:
    """The task list at the start of a check, and what follows it; ([], …) when there is none.

    A line below the last item that is not indented ends the list, although Markdown's lazy
    continuation would take it for the item's.
    """
    if not inner or inner[0].type != "bullet_list_open":
        return [], inner
    end = next(
        at
        for at, token in enumerate(inner)
        if token.type == "bullet_list_close" and token.level == inner[0].level
    )
    found: list[tuple[bool, str, str]] = []
    rest = inner[end + 1 :]
    for token in inner[:end]:
        own, after = _split_lazy(token, env)
        if after:
            rest = [Token("paragraph_open", "p", 1), _inline(after), Token("paragraph_close", "p", -1), *rest]
            token.content = own
        task = _TASK.match(token.content) if token.type == "inline" else None
        if task:
            text, _, remark = task["text"].partition(" — ")
            found.append((task["mark"] != " ", text, remark))
    return (found, rest) if found else ([], inner)


def _split_lazy(token: Token, env: Env) -> tuple[str, str]:
    if token.type != "inline" or not token.map:
        return token.content, ""
    source = str(env["source"]).splitlines()[token.map[0] : token.map[1]]
    lines = token.content.splitlines()
    lazy = next((at for at, line in enumerate(source) if at and line and not line[0].isspace()), len(lines))
    return "\n".join(lines[:lazy]), "\n".join(lines[lazy:])


def _term(title: str, inner: list[Token], env: Env) -> list[Token]:
    head = _html(f'<aside class="margin-note margin-term" aria-label="{_words(env)["term"]}">')
    return [head, Token("term_card", "", 0, content=title), *inner, _html("</aside>\n")]


_MAKERS = {"note": _note, "warning": _warning, "correction": _correction, "check": _check, "term": _term}
