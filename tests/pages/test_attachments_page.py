"""Attachments without a script: the composer's form brings files, and the page shows them above the question."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile

from assistants.conversations.models import Attachment, Conversation
from tests.conversations.test_attachments import PLAN, nothing_stored, picture, sound, stored
from tests.conversations.test_branches import member
from tests.pages.test_pages import browser
from tests.people import Actor, House

__all__ = ["member", "nothing_stored"]


def test_a_form_attaches_files_and_the_page_shows_them(member: Actor, acme: House) -> None:
    client = browser(member)
    files = [
        SimpleUploadedFile("photo.jpg", picture()),
        SimpleUploadedFile("note.wav", sound()),
        SimpleUploadedFile("<plan>.txt", PLAN.encode()),
    ]

    sent = client.post("/send/", {"content": "What is this?", "files": files})

    page = client.get(sent.headers["Location"]).content.decode()
    with member.acting():
        keys = {each.kind: f"/api/v1/attachments/{each.public_id}/file/" for each in Attachment.objects.all()}
    assert f'<img src="{keys["image"]}" alt="photo.jpg"' in page
    assert f'<audio controls preload="none" src="{keys["audio"]}"' in page
    assert f'href="{keys["file"]}" download' in page and "&lt;plan&gt;.txt" in page
    assert 'enctype="multipart/form-data"' in page and 'name="files" multiple' in page
    assert client.get(keys["image"]).status_code == 200


def test_a_form_with_one_bad_file_stores_nothing_and_says_why(member: Actor, acme: House) -> None:
    client = browser(member)
    files = [SimpleUploadedFile("photo.jpg", picture()), SimpleUploadedFile("page.png", b"<html><script>")]

    sent = client.post("/send/", {"content": "What is this?", "files": files})

    assert "n’est pas une image" in client.get(sent.headers["Location"]).content.decode().replace("&#x27;", "’")
    assert stored(acme) == set()
    with member.acting():
        assert not Conversation.objects.exists() and not Attachment.objects.exists()
