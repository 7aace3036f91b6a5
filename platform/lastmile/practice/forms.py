"""What a page or a program sends, read strictly. Each function raises Trouble."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from labs.harness.events import Text
from labs.harness.manifest import Lab
from labs.harness.submission import Submission
from lastmile.practice import receiving
from lastmile.problems import Trouble

TOO_BIG = Text(
    zh=f"上传的内容超过 {settings.SUBMISSION_MAX_BYTES >> 20} MiB，没有接收。你的草稿还在。",
    en=f"The upload exceeds {settings.SUBMISSION_MAX_BYTES >> 20} MiB and was not taken. Your draft is safe.",
)
NOT_JSON = Text(zh="请求的内容不是有效的 JSON。", en="The body is not valid JSON.")
NOT_FILES = Text(
    zh='请求需要 {"files": {"路径": "内容"}}。', en='The body must hold {"files": {"path": "text"}}.'
)


def body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the body."""
    try:
        found = json.loads(request.body)
    except RequestDataTooBig as error:
        raise Trouble("too_big", TOO_BIG, 413) from error
    except (ValueError, RecursionError) as error:
        raise Trouble("not_json", NOT_JSON, 400) from error
    if not isinstance(found, dict):
        raise Trouble("not_json", NOT_JSON, 400)
    return found


def texts(found: dict[str, Any]) -> dict[str, str]:
    """`files` of a body: text by path."""
    files = found.get("files")
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise Trouble("not_files", NOT_FILES, 400)
    return files


def is_json(request: HttpRequest) -> bool:
    return request.content_type == "application/json"


def submission(request: HttpRequest, lab: Lab, found: dict[str, Any] | None = None) -> Submission:
    """The files of a submit: JSON `files`, or a multipart `archive` (zip, tar, tar.gz)."""
    if is_json(request):
        files = texts(body(request) if found is None else found)
        return receiving.from_files(lab, {path: _bytes(text) for path, text in files.items()})
    upload = _upload(request)
    return receiving.from_archive(lab, upload[0], upload[1])


def _bytes(text: str) -> bytes:
    """The bytes behind a JSON string; Python's clients send those that are no UTF-8 as lone surrogates."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _upload(request: HttpRequest) -> tuple[bytes, str]:
    try:
        upload = request.FILES.get("archive")
    except RequestDataTooBig as error:
        raise Trouble("too_big", TOO_BIG, 413) from error
    if upload is None:
        text = Text(zh="没有收到文件：请上传 zip 或 tar。", en="No file arrived: upload a zip or a tar.")
        raise Trouble("no_archive", text, 400)
    if (upload.size or 0) > settings.SUBMISSION_MAX_BYTES:
        raise Trouble("too_big", TOO_BIG, 413)
    return upload.read(), upload.name or "archive"


def version(found: dict[str, Any]) -> int:
    """The version of the draft that the editor started from; 0 before the first save."""
    value = found.get("version", 0)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31 else 0
