"""What every page says of itself: its language tag and the theme that the reader chose."""

from __future__ import annotations

from django.http import HttpRequest

from lastmile.course.pages import reader_language

THEMES = ("light", "dark")


def site(request: HttpRequest) -> dict[str, str]:
    """`lang` is zh-Hans or en; `chosen_theme` is light, dark, or empty while the system decides."""
    theme = request.COOKIES.get("theme", "")
    return {
        "lang": "zh-Hans" if reader_language() == "zh" else "en",
        "chosen_theme": theme if theme in THEMES else "",
    }
