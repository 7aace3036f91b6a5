"""What every template uses: icons, times, the page's language and theme."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labs.harness.events import Text
from lastmile.course.code import coloured_once
from lastmile.course.icons import ICONS
from lastmile.problems import pick

register = template.Library()


@register.simple_tag
@cache
def icon(name: str, extra: str = "") -> SafeString:
    """An icon that says nothing by itself: a word always stands beside it."""
    return format_html(
        '<svg class="icon icon-{}{}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>',
        name,
        f" {extra}" if extra else "",
        mark_safe(ICONS[name]),
    )


STATE_ICONS = {
    "pass": "passed",
    "passed": "passed",
    "fail": "failed",
    "failed": "failed",
    "error": "error",
    "internal": "ours",
    "withdrawn": "skipped",
    "skipped": "skipped",
    "queued": "waiting",
    "waiting": "waiting",
    "none": "none",
    "draft": "draft",
}


STATE_WORDS = {
    "pass": gettext_lazy("Passed"),
    "passed": gettext_lazy("Passed"),
    "fail": gettext_lazy("Not yet"),
    "failed": gettext_lazy("Not yet"),
    "error": gettext_lazy("Did not run"),
    "internal": gettext_lazy("Our fault"),
    "withdrawn": gettext_lazy("Withdrawn"),
    "skipped": gettext_lazy("Skipped"),
    "queued": gettext_lazy("Queued"),
    "waiting": gettext_lazy("Waiting"),
    "none": gettext_lazy("Not started"),
    "draft": gettext_lazy("Draft"),
    "running": gettext_lazy("Running"),
    "building": gettext_lazy("Building"),
    "leasing": gettext_lazy("Getting a sandbox"),
    "grading": gettext_lazy("Grading"),
    "done": gettext_lazy("Done"),
}


def state_word(status: str) -> str:
    """What a state is called; the one place that says it."""
    return str(STATE_WORDS.get(status, status))


@register.filter
def state_name(status: str) -> str:
    return state_word(status)


@register.simple_tag
def state(status: str, note: str = "") -> SafeString:
    """A state as icon, word and colour."""
    shown = icon(STATE_ICONS.get(status, "running"))
    return format_html(
        '<span class="state" data-status="{}">{}<span>{}{}</span></span>',
        status,
        shown,
        state_word(status),
        note,
    )


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """A moment that the browser turns into "3 minutes ago", with the full date on hover."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    return format_html('<time datetime="{}" data-ago>{}</time>', at.isoformat(), f"{local:%Y-%m-%d %H:%M}")


@register.filter
def say(text: Text | Any) -> str:
    return pick(text) if isinstance(text, Text) else str(text)


@register.filter
def whole_percent(part: float) -> int:
    return round(part * 100)


@register.simple_tag(takes_context=True)
def here(context: dict[str, Any], prefix: str, exactly: bool = False) -> SafeString:
    """aria-current for the part of the site that the page is in."""
    request = context.get("request")
    path = request.path if request else ""
    return mark_safe(
        'aria-current="page"' if (path == prefix if exactly else path.startswith(prefix)) else ""
    )


@register.simple_tag
def code(text: str, path: str) -> SafeString:
    """Coloured source of a lab or a learner; Pygments escapes it."""
    language = {
        "go": "go",
        "yaml": "yaml",
        "yml": "yaml",
        "md": "markdown",
        "toml": "toml",
        "c": "c",
        "h": "c",
    }
    return mark_safe(coloured_once(text, language.get(path.rpartition(".")[2], "text")))


@register.filter
def part_name(name: str) -> str:
    """What a part of a run's time is called."""
    words = {"queue": _("Queue"), "build": _("Build"), "lease": _("Sandbox"), "checks": _("Checking")}
    return words.get(name, name)


@register.filter
def seconds(value: float) -> str:
    return _("%(n)s s") % {"n": f"{value:.1f}"}


@register.filter
def in_order(parts: dict[str, float]) -> list[tuple[str, float]]:
    """The parts of a run's time in the order in which they happen."""
    order = ("queue", "lease", "build", "checks")
    return sorted(parts.items(), key=lambda part: order.index(part[0]) if part[0] in order else len(order))


@register.filter
def check_name(status: str) -> str:
    """How one check ended; a whole run is never called failed."""
    words = {"passed": _("passed"), "failed": _("failed"), "skipped": _("skipped")}
    return words.get(status, status)


@register.filter
def has_lines(text: str) -> bool:
    """Whether it is output rather than a sentence."""
    return "\n" in text
