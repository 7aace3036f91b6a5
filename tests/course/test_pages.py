"""Home, chapters and the place where a reader stopped."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from lastmile.accounts.models import User
from lastmile.course import content
from lastmile.course.models import ReadingPosition
from lastmile.course.reading import reading

URL = "/chapters/operators/reconcile/"


def _client(user: User | None = None, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    if user:
        client.force_login(user)
    return client


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "tag"), [("en", "en"), ("zh-CN", "zh-Hans")])
def test_it_works(language: str, tag: str) -> None:
    answer = _client(language=language).get(URL)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'<html lang="{tag}"' in page
    assert content.chapter("operators/reconcile", "en" if tag == "en" else "zh").title in page
    assert 'id="children"' in page


@pytest.mark.django_db
def test_a_chapter_leads_to_its_lab_and_its_neighbours() -> None:
    page = _client().get(URL).content.decode()
    assert 'href="/labs/operators/database/"' in page
    before, after = content.neighbours("operators/reconcile")
    for entry in (before, after):
        assert entry
        assert f'href="/chapters/{entry.slug}/"' in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "slug", ["operators/nowhere", "../../etc/passwd", "operators/../operators/reconcile"]
)
def test_what_the_course_does_not_list_is_not_there(slug: str) -> None:
    assert _client().get(f"/chapters/{slug}/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_chapter_can_be_shown(language: str) -> None:
    client = _client(language=language)
    for entry in content.written():
        assert client.get(f"/chapters/{entry.slug}/").status_code == 200, entry.slug


def test_the_position_is_kept_and_offered_at_home(owner: User) -> None:
    client = _client(owner)
    kept = client.put(f"{URL}position", json.dumps({"anchor": "children", "part": 0.4}), "application/json")
    assert kept.status_code == 204
    row = ReadingPosition.objects.get(user=owner)
    assert (row.chapter, row.anchor, row.part) == ("operators/reconcile", "children", 0.4)
    page = client.get("/").content.decode()
    assert f'href="{URL}#children"' in page
    assert "Read to 40 %" in page


def test_a_second_position_replaces_the_first(owner: User) -> None:
    client = _client(owner)
    for part in (0.2, 7):
        client.put(f"{URL}position", json.dumps({"anchor": "crd", "part": part}), "application/json")
    assert [row.part for row in ReadingPosition.objects.filter(user=owner)] == [1.0]


def test_to_look_something_up_again_takes_no_progress_away(owner: User) -> None:
    client = _client(owner)
    for part in (0.6, 0.2, 0.4):
        client.put(f"{URL}position", json.dumps({"anchor": "crd", "part": part}), "application/json")
    row = ReadingPosition.objects.get(user=owner)
    assert (row.part, row.furthest) == (0.4, 0.6)
    page = client.get("/").content.decode()
    assert "Read to 40 %" in page  # where one stopped
    assert "read to 60 %" in page  # how much one has read


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"anchor": "x"}',
        '{"anchor": "x", "part": "far"}',
        '{"anchor": "x", "part": NaN}',
        '{"anchor": "x", "part": Infinity}',
        '{"anchor": "x", "part": 1' + "0" * 400 + "}",
        '{"anchor": "a\\u0000", "part": 0}',
        '{"anchor": "\\ud800", "part": 0}',
        "[" * 100_000,
    ],
)
def test_it_refuses_what_is_no_position(owner: User, body: str) -> None:
    assert _client(owner).put(f"{URL}position", body, "application/json").status_code == 400


@pytest.mark.django_db
def test_a_stranger_has_no_position() -> None:
    answer = _client().put(f"{URL}position", "{}", "application/json")
    assert answer.status_code == 302
    assert not ReadingPosition.objects.exists()


@pytest.mark.django_db
def test_a_stranger_sees_what_the_course_is_and_a_recorded_verdict() -> None:
    page = _client().get("/").content.decode()
    assert "A real API server decides." in page
    assert 'id="recorded"' in page
    assert 'href="/accounts/sign-in/"' in page


def test_the_recording_is_of_the_lab_as_it_is() -> None:
    from lastmile.course.pages import recorded_verdict

    recorded = recorded_verdict()
    assert recorded
    known = {check["id"] for check in recorded["checks"]}
    seen = {event["check"] for event in recorded["events"] if event["type"] == "check"}
    assert seen <= known
    assert recorded["events"][-1]["type"] in ("verdict", "state")
    assert [event["at"] for event in recorded["events"]] == sorted(
        event["at"] for event in recorded["events"]
    )


@pytest.mark.django_db
def test_only_the_diagram_frame_may_write_styles() -> None:
    client = _client()
    assert "unsafe-inline" in client.get("/diagrams/").headers["Content-Security-Policy"]
    for url in ("/", URL, "/labs/", "/accounts/sign-in/"):
        answer = client.get(url)
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert " style=" not in answer.content.decode()
        assert "<style" not in answer.content.decode()


@pytest.mark.django_db
def test_the_chosen_theme_is_in_the_first_byte_of_the_page() -> None:
    client = _client()
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in client.get("/").content.decode()[:300]
    client.cookies["theme"] = '"><script>'
    assert "<script>" not in client.get("/").content.decode()[:300]


@pytest.mark.django_db
def test_the_chosen_language_is_kept_for_a_year() -> None:
    client = _client()
    client.post("/i18n/setlang/", {"language": "en", "next": "/"})
    assert client.cookies["lastmile_language"]["max-age"] == 31_536_000


def test_the_commands_beside_a_new_token_go_to_this_site(owner: User) -> None:
    page = _client(owner).post("/accounts/tokens/", {"name": "laptop"}, headers={"host": "localhost:8080"})
    assert "export LASTMILE_URL=http://localhost:8080\n" in page.content.decode()


@pytest.mark.django_db
def test_one_readers_place_is_not_shown_to_another(owner: User, classmate: User) -> None:
    """The text is kept for all readers; what belongs to one is not."""
    ReadingPosition.objects.create(user=owner, chapter="operators/reconcile", anchor="drift", part=0.5)
    assert 'data-anchor="drift"' in _client(owner).get(URL).text
    assert "data-anchor" not in _client(classmate).get(URL).text
    assert "data-position-url" not in _client().get(URL).text


def test_a_chapter_is_made_again_when_a_file_of_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = reading("operators/reconcile", "en")
    assert reading("operators/reconcile", "en") is first
    assert reading("operators/reconcile", "zh") is not first
    monkeypatch.setattr(content, "changed", lambda path: 1)
    again = reading("operators/reconcile", "en")
    assert again is not first
    assert again.html == first.html


@pytest.mark.django_db
def test_a_newcomer_is_led_to_the_first_chapter_with_a_lab(owner: User) -> None:
    first = _client(owner).get("/").context["first"]
    assert content.chapter(first["slug"], "en").labs
    assert [lab["url"] for lab in first["labs"]]
