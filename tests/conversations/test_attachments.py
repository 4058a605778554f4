"""Attachments from outside: kept, sent, told, gone; never anybody else's; and nothing hostile is stored or shown."""

from __future__ import annotations

import io
import shutil
import struct
import wave
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from assistants.conversations import attachments
from assistants.conversations.models import Attachment, Conversation, Message
from isolation import context
from tests.conftest import Live
from tests.conversations.test_branches import BASE, answered, branch, here, member, post, turn
from tests.people import Actor, House
from tests.wire import client

__all__ = ["here", "member"]

PLAN = "The heron waits at the weir."


def picture(form: str = "JPEG", size: tuple[int, int] = (60, 40), **options: Any) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "teal").save(written, form, **options)
    return written.getvalue()


def sound() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 800)
    return written.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says that it has 400 million pixels."""
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 20_001)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def send_file(actor: Actor, content: bytes, name: str, status: int = 201) -> Any:
    answer = actor.api.post(f"{BASE}/attachments/", {"file": SimpleUploadedFile(name, content)})
    assert answer.status_code == status, answer.content
    return answer.json()


def stored(house: House) -> set[Path]:
    with house.person("member").acting():
        return {path for path in Path(default_storage.path("attachments")).rglob("*") if path.is_file()}


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


@pytest.fixture(autouse=True)
def nothing_stored(acme: House) -> None:
    """Tests empty the tables, not the storage."""
    with acme.person("member").acting():
        shutil.rmtree(default_storage.path("attachments"), ignore_errors=True)


def test_attachments_are_uploaded_sent_told_and_kept_by_an_edit(member: Actor, here: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "GPS of the house"
    one = send_file(member, picture(exif=exif, size=(3000, 30)), "photo.JPG")
    two, three = send_file(member, PLAN.encode(), "plan.txt"), send_file(member, sound(), "note.wav")

    first = turn(member, here, "what is this?", attachments=[one["id"], two["id"], three["id"]])
    edited = turn_again(member, first, {"content": "and this?"})
    fewer = turn_again(member, edited, {"content": "only this?", "attachments": [last(member, here)["attachments"][1]["id"]]})

    assert [row["kind"] for row in (one, two, three)] == ["image", "file", "audio"]
    assert (one["name"], one["content_type"], two["content_type"]) == ("photo.JPG", "image/jpeg", "text/plain")
    old = member.api.get(f"{BASE}/messages/{first['message']['id']}/").json()["attachments"]
    assert old == [one, two, three]
    kept = member.api.get(f"{BASE}/messages/{edited['message']['id']}/").json()["attachments"]
    assert [row["name"] for row in kept] == ["photo.JPG", "plan.txt", "note.wav"] and kept[0]["id"] != one["id"]
    assert [row["name"] for row in last(member, here)["attachments"]] == ["plan.txt"]
    assert fewer["message"]["id"] == last(member, here)["id"]
    shown = member.api.get(f"{BASE}/attachments/{kept[0]['id']}/file/")
    image = Image.open(io.BytesIO(body_of(shown)))
    assert (image.size, dict(image.getexif())) == ((2048, 20), {})
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Disposition"].startswith("inline;") and "sandbox" in shown.headers["Content-Security-Policy"]
    text = member.api.get(f"{BASE}/attachments/{two['id']}/file/")
    assert text.headers["Content-Disposition"].startswith("attachment;") and body_of(text) == PLAN.encode()


def last(member: Actor, here: str) -> Any:
    return [row for row in branch(member, here) if row["role"] == "user"][-1]


def turn_again(member: Actor, before: Any, body: dict[str, Any]) -> Any:
    return answered(member, post(member, f"messages/{before['message']['id']}/edit/", body))


def test_a_key_covers_the_attachments(member: Actor, here: str) -> None:
    one, two = (send_file(member, PLAN.encode(), f"{n}.txt")["id"] for n in (1, 2))
    path = f"conversations/{here}/messages/"
    first = answered(member, post(member, path, {"content": "x", "attachments": [one]}, key="k"))

    assert post(member, path, {"content": "x", "attachments": [one]}, key="k") == first
    assert post(member, path, {"content": "x", "attachments": [two]}, key="k", status=409)["code"] == "key_reused"


def test_the_list_of_messages_has_no_query_for_each(member: Actor, here: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert all(row["attachments"] for row in branch(member, here) if row["role"] == "user")
        return len(caught)

    turn(member, here, "0", attachments=[send_file(member, PLAN.encode(), "0.txt")["id"]])
    one = queries()
    for n in "123":
        turn(member, here, n, attachments=[send_file(member, PLAN.encode(), f"{n}.txt")["id"]])

    assert queries() == one


def test_nobody_else_reads_takes_or_removes_an_attachment(member: Actor, here: str, acme: House, globex: House) -> None:
    waiting, sent = (send_file(member, PLAN.encode(), "plan.txt")["id"] for _ in range(2))
    turn(member, here, "read it", attachments=[sent])

    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        theirs = post(stranger, "conversations/", status=201)["id"]
        for wanted in (waiting, sent):
            for path in (f"{BASE}/attachments/{wanted}/", f"{BASE}/attachments/{wanted}/file/"):
                assert stranger.api.get(path).status_code == 404
            assert stranger.api.delete(f"{BASE}/attachments/{wanted}/").status_code == 404
            body = {"content": "mine now", "attachments": [wanted]}
            told = post(stranger, f"conversations/{theirs}/messages/", body, status=404)
            assert told["field"] == "attachments"
    again = post(member, f"conversations/{here}/messages/", {"content": "again", "attachments": [sent]}, status=404)
    assert again["field"] == "attachments"
    assert member.api.delete(f"{BASE}/attachments/{sent}/").status_code == 409
    assert member.api.delete(f"{BASE}/attachments/{waiting}/").status_code == 204  # The control.
    assert len(stored(acme)) == 1


def test_the_database_keeps_an_attachment_with_its_owners_message(member: Actor, here: str, acme: House) -> None:
    mine = send_file(member, PLAN.encode(), "plan.txt")["id"]
    other = acme.person("member2")
    theirs = turn(other, post(other, "conversations/", status=201)["id"], "theirs")
    with other.acting():
        message = Message.objects.get(public_id=theirs["message"]["id"])
        keys = {"message_id": message.pk, "conversation_id": message.conversation_id}

    with member.acting():
        rows = Attachment.objects.filter(public_id=mine)
        for smuggled in (keys, {"message_id": keys["message_id"]}, {"owner_id": other.user.pk}):
            with pytest.raises(DatabaseError), transaction.atomic():
                rows.update(**smuggled)
        own = Conversation.objects.get(public_id=here)
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(message_id=keys["message_id"], conversation_id=own.pk)
        assert rows.update(message=None) == 1


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (bomb(), "bomb.png", 422, "unreadable"),
        (b"<html><script>alert(1)</script></html>", "page.png", 415, "unsupported_type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "drawing.svg", 415, "unsupported_type"),
        (picture("PNG"), "sheet.csv", 415, "unsupported_type"),
        (picture("PNG")[:60], "half.png", 422, "unreadable"),
        (b"MZ" + b"\0" * 900, "setup.txt", 415, "unsupported_type"),
        (b"not a sound", "note.mp3", 415, "unsupported_type"),
        (b"%PDF-1.7 broken", "broken.pdf", 422, "unreadable"),
        (b"", "empty.txt", 400, "empty_document"),
        (b"   \n ", "blank.txt", 422, "unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_case_41_what_is_hostile_or_broken_is_refused_and_not_stored(
    member: Actor, acme: House, content: bytes, name: str, status: int, code: str
) -> None:
    assert send_file(member, content, name, status)["code"] == code

    assert stored(acme) == set()


def test_case_41_a_picture_is_nothing_but_a_picture(member: Actor, acme: House) -> None:
    hostile = picture("PNG") + b"<html><script>alert(1)</script></html>PK\x03\x04"

    made = send_file(member, hostile, "../../<b>evil</b>.png")

    (path,) = stored(acme)
    assert b"script" not in path.read_bytes() and made["name"] == "b>.png"
    assert path.parent.name == str(member.user.pk)


def test_there_are_limits(member: Actor, here: str, settings: Any, acme: House) -> None:
    settings.CLOISON_MAX_ATTACHED_IMAGE = 100
    assert send_file(member, picture(), "large.jpg", 413)["code"] == "too_large"
    many = [send_file(member, PLAN.encode(), f"{n}.txt")["id"] for n in range(11)]
    answer = member.api.post(
        f"{BASE}/conversations/{here}/messages/", {"content": "all", "attachments": many}, content_type="application/json"
    )
    assert answer.status_code == 400
    turn(member, here, "ten", attachments=many[:10])  # The control.
    assert member.api.post(f"{BASE}/attachments/", {"file": "no file"}).status_code == 400


def test_nothing_is_left_when_a_conversation_goes(
    member: Actor, acme: House, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ("", "?forever=true"):
        there = post(member, "conversations/", status=201)["id"]
        first = turn(member, there, "see", attachments=[send_file(member, picture(), "a.jpg")["id"]])
        turn_again(member, first, {"content": "see again"})
        assert member.api.delete(f"{BASE}/conversations/{there}/{query}").status_code == 204
    assert len(stored(acme)) == 1  # What is in the bin comes back whole.
    assert member.api.delete(f"{BASE}/conversations/bin/").status_code in {200, 204}
    assert stored(acme) == set()
    old, new = (send_file(member, PLAN.encode(), f"{n}.txt")["id"] for n in "12")
    send_file(member, PLAN.encode(), "3.txt")
    with member.acting():
        Attachment.objects.filter(public_id=old).update(created_at=timezone.now() - timedelta(hours=25))
        gone = Attachment.objects.get(name="3.txt")
        Attachment.objects.filter(pk=gone.pk).delete()  # As with an account: the row alone.
    monkeypatch.setattr(attachments, "FRESH", -5)

    with context.use(context.service(acme.schema)):
        assert attachments.sweep(everybody=True) == 2

    assert [path.stem for path in stored(acme)] == [new]
    assert owner.execute(f"SELECT public_id::text FROM {acme.schema}.conversations_attachment").fetchall() == [(new,)]


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-", 0, 843),
        ("bytes=10-19", 10, 19),
        ("Bytes=800-9999", 800, 843),
        ("bytes=-44", 800, 843),
        ("bytes=-9999", 0, 843),
    ],
)
def test_a_player_gets_the_part_of_a_sound_that_it_asks_for(member: Actor, wanted: str, first: int, last: int) -> None:
    where = f"{BASE}/attachments/{send_file(member, sound(), 'note.wav')['id']}/file/"

    answer = member.api.get(where, headers={"range": wanted})

    assert (answer.status_code, body_of(answer)) == (206, sound()[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/844"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["Content-Disposition"].startswith("inline;") and answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer.headers["Content-Security-Policy"]


def test_what_is_no_single_part_of_this_file_is_the_whole_or_nothing(member: Actor, acme: House) -> None:
    where = f"{BASE}/attachments/{send_file(member, sound(), 'note.wav')['id']}/file/"
    whole = member.api.get(where)
    etag = whole.headers["ETag"]
    assert (whole.status_code, whole.headers["Accept-Ranges"], body_of(whole)) == (200, "bytes", sound())

    for unclear in ("bytes=0-1,4-5", "bytes=5-2", "bytes=-", "bytes=a-b", "items=0-1", f"bytes={'9' * 5000}-"):
        answer = member.api.get(where, headers={"range": unclear})
        assert (answer.status_code, body_of(answer)) == (200, sound()), unclear
    for outside in ("bytes=844-", "bytes=900-901", "bytes=-0"):
        answer = member.api.get(where, headers={"range": outside})
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */844")
        assert answer.json()["code"] == "range_not_satisfiable"
    for known, status in ((etag, 206), ('"another"', 200), ("Thu, 01 Jan 2026 00:00:00 GMT", 200), (f"W/{etag}", 200)):
        answer = member.api.get(where, headers={"range": "bytes=0-0", "if-range": known})
        assert (answer.status_code, len(body_of(answer))) == (status, 1 if status == 206 else 844)
    head = member.api.head(where, headers={"range": "bytes=0-0"})
    assert (head.status_code, head.content, head.headers["Content-Length"], head.headers["ETag"]) == (200, b"", "844", etag)
    for stranger in (acme.person("member2"), acme.person("admin")):
        assert stranger.api.get(where, headers={"range": "bytes=0-0"}).status_code == 404
        assert stranger.api.head(where).status_code == 404


async def test_a_part_of_a_sound_comes_over_the_wire(live: Live, acme: House, globex: House) -> None:
    async with client(live, acme.person("member")) as http:
        made = await http.post("/api/v1/attachments/", files={"file": ("note.wav", sound())})
        where = f"/api/v1/attachments/{made.json()['id']}/file/"

        part = await http.get(where, headers={"Range": "bytes=40-49"})
        head = await http.head(where)
    async with client(live, globex.person("member")) as http:
        theirs = await http.get(where, headers={"Range": "bytes=40-49"})

    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, sound()[40:50], "bytes 40-49/844")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "844")
    assert theirs.status_code == 404
