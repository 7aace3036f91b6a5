"""Markdown of docs/reference/content-markdown.md → HTML with a table of contents. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.container import container_plugin

from lastmile.course import callouts, code
from lastmile.course.content import ROOT, BadContent, Term, say

_HEADING_ID = re.compile(r"\s*\{#(?P<id>[\w-]+)\}\s*$")
_WIDE = re.compile(r"^[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]{2}$")
_TERM = re.compile(r"\[\[(?P<id>[\w.-]+)(?:\|(?P<words>[^\]\n]+))?\]\]")
WORDS = {
    "zh": {"open": "在实验中打开", "copy": "复制", "code": "代码", "source": "图的源码"},
    "en": {"open": "Open in lab", "copy": "Copy", "code": "Code", "source": "Source of the diagram"},
}


@dataclass(frozen=True)
class Heading:
    id: str
    level: int
    text: str


@dataclass(frozen=True)
class Rendered:
    """`html` is safe: the Markdown's own HTML has been escaped. `links` are chapter: and lab: targets."""

    html: str
    headings: tuple[Heading, ...]
    terms: tuple[str, ...]
    links: tuple[str, ...]


@dataclass
class Page:
    """What a render is given and what it gathers on the way; markdown-it's env holds it."""

    language: str
    terms: Mapping[str, Term]
    link: Callable[[str, str], str]
    root: Path = ROOT
    headings: list[Heading] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def plain_link(kind: str, target: str) -> str:
    slug, _, anchor = target.partition("#")
    return f"/{'chapters' if kind == 'chapter' else 'labs'}/{slug}/" + (f"#{anchor}" if anchor else "")


def render(
    text: str,
    language: str,
    terms: Mapping[str, Term] | None = None,
    link: Callable[[str, str], str] = plain_link,
    root: Path = ROOT,
) -> Rendered:
    """Raises BadContent when a reference leads nowhere."""
    page = Page(language, terms or {}, link, root)
    html = str(_markdown().render(text, {"page": page, "language": language, "source": text}))
    return Rendered(html, tuple(page.headings), tuple(dict.fromkeys(page.used)), tuple(page.links))


def _markdown() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    for kind in callouts.KINDS:
        container_plugin(md, kind)
    md.core.ruler.after("block", "callouts", callouts.transform)
    md.core.ruler.after("callouts", "headings", _headings)
    md.core.ruler.push("links", _links)
    md.core.ruler.push("wide_breaks", _wide_breaks)
    md.inline.ruler.before("link", "term", _term)
    md.add_render_rule("fence", _fence)
    md.add_render_rule("term_link", _term_link)
    md.add_render_rule("term_card", _term_card)
    md.add_render_rule(
        "table_open", lambda *_: '<div class="table-scroll" tabindex="0" role="group"><table>\n'
    )
    md.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return md


def _headings(state: StateCore) -> None:
    page: Page = state.env["page"]
    for at, token in enumerate(state.tokens):
        if token.type != "heading_open":
            continue
        inline = state.tokens[at + 1]
        found = _HEADING_ID.search(inline.content)
        name = found["id"] if found else f"s{len(page.headings) + 1}"
        inline.content = _HEADING_ID.sub("", inline.content)
        token.attrSet("id", name)
        plain = re.sub(r"[`*]", "", _TERM.sub(lambda m: m["words"] or m["id"], inline.content))
        page.headings.append(Heading(name, int(token.tag[1:]), plain))


def _wide_breaks(state: StateCore) -> None:
    """A line that ends between two Chinese characters goes on without a space, as Chinese is written."""
    for token in state.tokens:
        children = token.children or []
        for before, child, after in zip(children, children[1:], children[2:], strict=False):
            if child.type == "softbreak" and _WIDE.search(before.content[-1:] + after.content[:1]):
                child.type, child.content = "text", ""


def _links(state: StateCore) -> None:
    page: Page = state.env["page"]
    for token in state.tokens:
        for child in token.children or []:
            href = str(child.attrs.get("href", "")) if child.type == "link_open" else ""
            kind, _, target = href.partition(":")
            if kind in ("chapter", "lab"):
                page.links.append(href)
                child.attrSet("href", page.link(kind, target))
            elif href.startswith("http"):
                child.attrSet("rel", "noreferrer")


def _term(state: StateInline, silent: bool) -> bool:
    found = _TERM.match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        page: Page = state.env["page"]
        if found["id"] not in page.terms:
            raise BadContent(f"[[{found['id']}]] is not in glossary.toml")
        page.used.append(found["id"])
        token = state.push("term_link", "", 0)
        token.content = found["words"] or say(page.terms[found["id"]].name, page.language)
        token.meta = {"id": found["id"]}
    state.pos = found.end()
    return True


def _term_link(self: RendererHTML, tokens: Sequence[Token], at: int, *_: Any) -> str:
    token = tokens[at]
    return f'<a class="term" href="#term-{escape(token.meta["id"])}">{escape(token.content)}</a>'


def _term_card(self: RendererHTML, tokens: Sequence[Token], at: int, _options: Any, env: Any) -> str:
    page: Page = env["page"]
    term = page.terms.get(tokens[at].content)
    if not term:
        raise BadContent(f"::: term {tokens[at].content} is not in glossary.toml")
    return term_card(term, page.language)


def term_card(term: Term, language: str) -> str:
    """The names in both languages, the page's own first, and the meaning."""
    own, other = (term.name.zh, term.name.en) if language == "zh" else (term.name.en, term.name.zh)
    other_language = "en" if language == "zh" else "zh-Hans"
    second = (
        f' <span class="term-other" lang="{other_language}">{escape(other)}</span>' if other != own else ""
    )
    meaning = with_code(say(term.text, language))
    return f'<p class="callout-title"><strong>{escape(own)}</strong>{second}</p><p>{meaning}</p>'


def with_code(text: str) -> str:
    """Plain text with `code` → HTML."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _fence(self: RendererHTML, tokens: Sequence[Token], at: int, _options: Any, env: Any) -> str:
    page: Page = env["page"]
    token = tokens[at]
    language, attributes = code.parse_info(token.info)
    if language == "mermaid":
        return _diagram(token.content, attributes.get("caption", ""), page)
    return code_figure(code.block(token.info, token.content, page.root), page.language, page.link)


def code_figure(block: code.Block, language: str, link: Callable[[str, str], str] = plain_link) -> str:
    """A code block with its file's name, a copy button, and the way into the lab it comes from."""
    words = WORDS[language]
    name = block.name or {"sh": "shell", "text": ""}.get(block.language, block.language)
    opening = ""
    if block.lab:
        href = escape(f"{link('lab', block.lab)}?file={block.lab_file}")
        opening = f'<a class="code-open" href="{href}">{words["open"]}</a>'
    body = code.coloured(block.text, block.language, block.mark)
    kind = "code-file" if block.name else "code-language"
    return (
        f'<figure class="code" data-language="{escape(block.language)}"><figcaption>'
        f'<span class="{kind}">{escape(name)}</span>{opening}'
        f'<button class="code-copy" type="button" data-copy>{words["copy"]}</button></figcaption>'
        f'<pre tabindex="0" role="region" aria-label="{escape(name or words["code"])}">'
        f"<code>{body}</code></pre></figure>\n"
    )


def _diagram(source: str, caption: str, page: Page) -> str:
    words = WORDS[page.language]
    if not caption:
        raise BadContent("a mermaid diagram needs a caption")
    return (
        f'<figure class="diagram" data-diagram>'
        f'<div class="diagram-picture" role="img" aria-label="{escape(caption)}"></div>'
        f"<figcaption>{escape(caption)}</figcaption>"
        f'<details class="diagram-source"><summary>{words["source"]}</summary>'
        f'<pre tabindex="0">{escape(source)}</pre></details></figure>\n'
    )
