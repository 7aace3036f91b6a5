"""Drafts: what the editor holds is kept on the server, and two tabs do not overwrite each other unseen."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from labs.harness import submission
from labs.harness.events import Text
from labs.harness.manifest import Lab
from lastmile.accounts.models import User
from lastmile.practice import catalog
from lastmile.practice.models import Draft
from lastmile.problems import Trouble


def of(user: User, lab: Lab) -> Draft | None:
    return Draft.objects.filter(user=user, lab=lab.slug).first()


@transaction.atomic
def save(user: User, lab: Lab, files: dict[str, str], version: int) -> Draft:
    """Keep the editable files. Raises Trouble: 409 and the newer draft when `version` is an older one."""
    _check(lab, files)
    kept, made = Draft.objects.select_for_update().get_or_create(
        user=user, lab=lab.slug, defaults={"files": files}
    )
    if made or kept.files == files:
        return kept  # also when it was saved before and only the answer was lost
    if kept.version != version:
        text = Text(
            zh="另一个窗口保存了一份较新的草稿。两份都还在：先看看哪一份是你要的。",
            en="Another window saved a newer draft. Both are still there: look which one you want.",
        )
        newer = {"files": kept.files, "version": kept.version, "saved_at": kept.saved_at.isoformat()}
        raise Trouble("newer_draft", text, 409, extra=newer)
    kept.files, kept.version, kept.saved_at = files, kept.version + 1, timezone.now()
    kept.save()
    return kept


def _check(lab: Lab, files: dict[str, str]) -> None:
    """A draft may be wrong Go, but it keeps the limits of a submission and the lab's own paths."""
    places = []
    total = 0
    for path, text in files.items():
        wrong = submission.check_name(path)
        if wrong is None and not catalog.is_editable(lab, path):
            wrong = Text(zh="这个文件不能修改", en="this file cannot be changed")
        if wrong is None and ("\0" in text or any("\ud800" <= c <= "\udfff" for c in text)):
            wrong = Text(zh="内容不是有效的 UTF-8 文本", en="the content is not valid UTF-8 text")
        total += len(text)
        if wrong is not None:
            places.append({"file": submission.printable(path), "line": 0, "zh": wrong.zh, "en": wrong.en})
    if total > submission.MAX_TOTAL_BYTES or len(files) > submission.MAX_FILES:
        places.append({"file": "", "line": 0, "zh": "草稿太大", "en": "the draft is too big"})
    if places:
        refused = Text(zh="草稿没有保存。", en="The draft was not saved.")
        raise Trouble("bad_draft", refused, 400, places[:20])
