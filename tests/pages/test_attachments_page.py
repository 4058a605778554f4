"""Attachments without a script: the composer's form brings files, and the page shows them above the question."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile

from assistants.conversations.models import Attachment, Conversation
from tests.conversations.test_attachments import PLAN, last, nothing_stored, picture, send_file, sound, stored
from tests.conversations.test_branches import answered, here, member, turn
from tests.pages.test_pages import browser
from tests.people import Actor, House

__all__ = ["here", "member", "nothing_stored"]


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
    picture_shown = client.get(keys["image"])
    assert picture_shown.status_code == 200 and picture_shown.getvalue()


def test_a_form_changes_what_a_question_has(member: Actor, here: str, acme: House, globex: House) -> None:
    one, two = (send_file(member, PLAN.encode(), f"{n}.txt")["id"] for n in ("one", "two"))
    question = turn(member, here, "read", attachments=[one, two])["message"]["id"]
    client, edit = browser(member), f"/messages/{question}/edit/"
    page = client.get(f"/c/{here}/?edit={question}").content.decode()
    assert f'name="attachments" value="{one}" checked' in page and 'for="keep-' in page and "Garder one.txt" in page

    sent = client.post(
        edit, {"content": "again", "chosen": "1", "attachments": [two], "files": SimpleUploadedFile("photo.jpg", picture())}
    )
    answered(member, {"message": {"id": sent.headers["Location"][-36:]}})
    assert {row["name"] for row in last(member, here)["attachments"]} == {"two.txt", "photo.jpg"}
    sent = client.post(edit, {"content": "with none", "chosen": "1"})
    answered(member, {"message": {"id": sent.headers["Location"][-36:]}})

    assert last(member, here)["attachments"] == []
    theirs = send_file(acme.person("member2"), PLAN.encode(), "theirs.txt")["id"]
    for bad in (theirs, "no-id"):
        assert client.post(edit, {"content": "theirs", "chosen": "1", "attachments": [bad]}).status_code == 404
    for stranger in (acme.person("member2"), globex.person("member")):
        assert browser(stranger).post(edit, {"content": "mine", "chosen": "1", "attachments": [one]}).status_code == 404
    assert last(member, here)["content"] == "with none"


def test_a_form_with_one_bad_file_stores_nothing_and_says_why(member: Actor, acme: House) -> None:
    client = browser(member)
    files = [SimpleUploadedFile("photo.jpg", picture()), SimpleUploadedFile("page.png", b"<html><script>")]

    sent = client.post("/send/", {"content": "What is this?", "files": files})

    assert "n’est pas une image" in client.get(sent.headers["Location"]).content.decode().replace("&#x27;", "’")
    assert stored(acme) == set()
    with member.acting():
        assert not Conversation.objects.exists() and not Attachment.objects.exists()
