"""Attached files go out with conversations and come in again: equal, checked as uploads are, and nothing more."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from assistants.conversations import attachments, carrying
from assistants.conversations.importing import attached as attached_files
from assistants.conversations.importing import services as importing
from assistants.conversations.importing import storing
from assistants.conversations.models import Attachment, Conversation, Import, Message
from documents.parsing.sandbox import parser
from tests.conversations.test_attachments import body_of, sound
from tests.conversations.test_moving import a_tree, document, export, node, shape, unpacked, upload, zipped
from tests.people import Actor, House


def with_files(tree: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The same with files of every kind at some of its questions, and the archive's members that hold them."""
    chance = random.Random(tree["title"])
    members: dict[str, bytes] = {}
    for message in tree["messages"]:
        kinds = chance.sample(sorted(CONTENTS), chance.choice((0,) * 20 + (1, 2))) if message["role"] == "user" else []
        message["attachments"] = []
        for kind in kinds:
            name, content_type, make = CONTENTS[kind]
            content = make(tree["title"] if chance.random() < 0.8 else "The same for all")
            digest = hashlib.sha256(content).hexdigest()
            members[f"files/{digest}"] = content
            message["attachments"].append(
                {"kind": kind.split()[0], "name": name, "content_type": content_type, "size": len(content), "sha256": digest}
            )
    return tree, members


@cache
def drawn(words: str, form: str) -> bytes:
    """A picture as uploads are kept."""
    path = Path(tempfile.mkdtemp(), "picture")
    Image.new("RGB", (40 + len(words), 20), (len(words), len(words) * 7 % 200, 90)).save(path, form)
    return parser.redraw(path)[0]


CONTENTS: dict[str, tuple[str, str, Callable[[str], bytes]]] = {
    "file text": ("notes é.txt", "text/plain", lambda words: f"Notes of {words}\n".encode() * 9),
    "file table": ("numbers.csv", "text/csv", lambda words: f"name;days\n{words};9\n".encode()),
    "image jpeg": ("otter.JPG", "image/jpeg", lambda words: drawn(words, "JPEG")),
    "image png": ("otter.webp", "image/png", lambda words: drawn(words, "PNG")),
    "audio": ("note.wav", "audio/wav", lambda words: sound()),
}


def archived(conversations: list[dict[str, Any]], members: dict[str, bytes]) -> bytes:
    return zipped(**{"conversations.json": document(conversations), **members})


def brought(actor: Actor, archive: bytes) -> dict[str, Any]:
    """What a worker makes of an archive."""
    queued = upload(actor, archive, "export.zip")
    assert (queued.status_code, queued.json()["status"]) == (202, "queued"), queued.content
    with actor.acting():
        importing.run_import(Import.objects.get(public_id=queued.json()["id"]).pk)
    told: dict[str, Any] = actor.api.get(f"/api/v1/conversations/imports/{queued.json()['id']}/").json()
    return told


def test_two_hundred_trees_with_their_files_go_out_and_come_in_again_as_they_were(acme: House, globex: House) -> None:
    member, other = acme.person("member"), globex.person("member")
    made, files = [], dict[str, bytes]()
    for number in range(200):
        tree, members = with_files(a_tree(number))
        made.append(tree)
        files |= members
    first = brought(member, archived(made, files))
    assert (first["imported"], first["refused"], first["skipped"], first["status"]) == (200, 0, [], "done")

    archive = export(member)
    exported = unpacked(archive)
    moved = brought(other, archive)
    again = unpacked(export(other))
    here, there = (json.loads(body["conversations.json"])["conversations"] for body in (exported, again))

    assert (moved["imported"], moved["existing"], moved["refused"], moved["skipped"]) == (200, 0, 0, [])
    assert len(here) == 200 and len(files) > 40
    assert [shape(each) for each in here] == [shape(each) for each in there]
    assert [shape(each) for each in here] == [shape(each) for each in made]
    bytes_of = [{name: body for name, body in found.items() if name != "conversations.json"} for found in (exported, again)]
    assert bytes_of == [files, files]
    assert export(member) == archive  # The same conversations, the same bytes.
    again_by_other = upload(other, document(here)).json()
    assert (again_by_other["imported"], again_by_other["existing"]) == (0, 200)
    own = upload(member, document(here)).json()  # What is still here is not doubled.
    assert (own["imported"], own["existing"]) == (0, 200)


HASH = hashlib.sha256


def asked(*attachments: dict[str, Any], role: str = "user", key: str = "one") -> dict[str, Any]:
    """A conversation of one question with attachments, in our format."""
    message = {"id": f"{key}-q", "parent": None, "role": role, "content": "?", "attachments": list(attachments)}
    return {"id": key, "title": key, "leaf": f"{key}-q", "messages": [message]}


def told_of(content: bytes, name: str) -> dict[str, Any]:
    return {"name": name, "sha256": HASH(content).hexdigest()}


def kept_files(actor: Actor) -> set[Path]:
    with actor.acting():
        return {path for path in Path(default_storage.path("attachments")).rglob("*") if path.is_file()}


def test_case_41_a_file_of_an_archive_is_checked_as_an_upload_is_and_left_out_alone(acme: House, settings: Any) -> None:
    member = acme.person("member")
    before = kept_files(member)
    good, page = b"The otter sleeps.", b"<html><script>alert(1)</script></html>"
    exif = Image.Exif()
    exif[0x010E] = "GPS of the house"
    image = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(image, "JPEG", exif=exif, quality=88)
    tail = drawn("tail", "PNG") + b"GPS<script>"
    bomb, forged = b" " * 26_000_000, hashlib.sha256(b"what it should be").hexdigest()
    settings.CLOISON_MAX_ATTACHED_AUDIO = 100
    attached = {
        "good": [told_of(good, "plan.txt")] * 2,
        "missing": [told_of(b"nowhere", "plan.txt"), {"name": "x.txt", "sha256": "../../../etc/passwd"}, "x"],
        "forged": [{"name": "plan.txt", "sha256": forged}],
        "hostile": [told_of(page, "page.png"), told_of(page, "sound.mp3"), told_of(good, "plan.exe")],
        "heavy": [told_of(bomb, "bomb.txt"), told_of(sound(), "note.wav")],
        "many": [told_of(good, "plan.txt")] * 12,
        "path": [told_of(good, "../../../etc/cron.d/plan.txt")],
        "picture": [told_of(image.getvalue(), "photo.jpg"), told_of(tail, "tail.png")],
    }
    members = {f"files/{HASH(each).hexdigest()}": each for each in (good, page, bomb, sound(), image.getvalue(), tail)}
    conversations = [asked(*given, key=key) for key, given in attached.items()]
    conversations.append(asked(told_of(good, "plan.txt"), role="assistant", key="answer"))

    told = brought(member, archived(conversations, {**members, f"files/{forged}": b"what it is"}))

    assert (told["status"], told["imported"], told["refused"]) == ("done", 9, 0)
    assert sorted({(each["conversation"], each["reason"]) for each in told["skipped"]}) == [
        ("answer", "attachment_refused"),
        ("forged", "attachment_changed"),
        ("heavy", "attachment_too_large"),
        ("hostile", "attachment_refused"),
        ("many", "too_many_attachments"),
        ("missing", "attachment_missing"),
    ]
    assert told["reasons"] == {
        "attachment_missing": 3, "attachment_changed": 1, "attachment_refused": 4, "attachment_too_large": 2, "too_many_attachments": 2,
    }  # fmt: skip
    with member.acting():
        rows = list(Attachment.objects.select_related("conversation"))
        assert sorted((row.conversation.title, row.name) for row in rows) == [  # type: ignore[union-attr]
            ("good", "plan.txt"), ("good", "plan.txt"), *[("many", "plan.txt")] * 10, ("path", "plan.txt"), ("picture", "photo.jpg"), ("picture", "tail.png"),
        ]  # fmt: skip
        assert {row.text for row in rows if row.kind == "file"} == {good.decode()}
        for picture in (row for row in rows if row.kind == "image"):
            assert b"GPS" not in Path(default_storage.path(picture.path)).read_bytes()
        assert kept_files(member) - before == {Path(default_storage.path(row.path)) for row in rows}
    for row in rows:
        assert body_of(member.api.get(f"/api/v1/attachments/{row.public_id}/file/"))
        for stranger in (acme.person("member2"), acme.person("admin")):
            assert stranger.api.get(f"/api/v1/attachments/{row.public_id}/file/").status_code == 404


def test_files_of_an_archive_have_a_common_limit(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    member = acme.person("member")
    first, second = b"first " * 10, b"second " * 10
    members = {f"files/{HASH(each).hexdigest()}": each for each in (first, second)}
    monkeypatch.setattr(attached_files, "MOST_UNPACKED", 100)

    told = brought(member, archived([asked(told_of(first, "1.txt"), told_of(second, "2.txt"))], members))

    assert (told["imported"], told["reasons"]) == (1, {"files_too_large": 1})
    with member.acting():
        assert [row.name for row in Attachment.objects.all()] == ["1.txt"]


def test_of_an_import_that_fails_in_the_middle_no_file_stays(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    member = acme.person("member")
    before = kept_files(member)
    contents = [f"file {number}".encode() for number in range(3)]
    members = {f"files/{HASH(each).hexdigest()}": each for each in contents}
    trees = [asked(*(told_of(each, f"{n}.txt") for n, each in enumerate(contents)), key=key) for key in ("one", "two")]
    archive = archived(trees, members)
    seen: list[str] = []

    def full(*args: Any, **kwargs: Any) -> Any:
        seen.append("")
        if len(seen) == 5:  # The second file of the second conversation.
            raise OSError(errno.ENOSPC, "no room")
        return save(*args, **kwargs)

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("in the middle of the transaction")

    save = default_storage.save
    with monkeypatch.context() as patch:
        patch.setattr(storing, "_organise", broken)
        with pytest.raises(RuntimeError):
            brought(member, archive)
    with member.acting():
        assert kept_files(member) == before and not Attachment.objects.exists() and not Conversation.objects.exists()
        Import.objects.all().delete()

    queued = upload(member, archive, "export.zip").json()["id"]
    with monkeypatch.context() as patch, member.acting():
        patch.setattr(attachments.default_storage, "save", full)
        importing.run_import(Import.objects.get().pk)
    told = member.api.get(f"/api/v1/conversations/imports/{queued}/").json()
    assert (told["status"], told["error_code"], told["imported"]) == ("failed", "storage_full", 1)
    assert len(kept_files(member) - before) == 3

    again = brought(member, archive)  # With room again, the rest follows.
    assert (again["status"], again["imported"], again["existing"], again["skipped"]) == ("done", 1, 1, [])
    assert len(kept_files(member) - before) == 6


def test_pictures_and_files_of_a_chatgpt_archive_come_in_where_they_are(acme: House) -> None:
    member = acme.person("member")
    nodes = [node("root", None, ["q"])]
    pointers = [
        "file-service://file-Aa1",
        "sediment://file_b2#x",
        "sediment://file_gone",
        "sediment://file_two",
        "https://x/file-Aa1",
    ]
    pictures = [{"content_type": "image_asset_pointer", "asset_pointer": pointer} for pointer in pointers]
    attached = [
        {"id": "file-Aa1", "name": "otter.png"},
        {"id": "file-C3", "name": "plan.txt"},
        {"id": "file-D4", "name": "run.exe"},
    ]
    content = {"content_type": "multimodal_text", "parts": [*pictures, "What are these?"]}
    nodes.append(node("q", "root", ["a"], "user", metadata={"attachments": attached}, **content))
    nodes.append(node("a", "q", [], "assistant", content_type="multimodal_text", parts=[pictures[0], "Otters."]))
    export_of = [{"id": "c", "title": "Otters", "mapping": {each["id"]: each for each in nodes}, "current_node": "a"}]
    members = {
        "file-Aa1-otter.png": drawn("one", "PNG"),
        "user-x/file_b2-sanitized.dat": drawn("two", "JPEG"),
        "file_two-1.png": drawn("one", "PNG"),
        "file_two-2.png": drawn("one", "PNG"),
        "file-C3-plan.txt": b"The otter sleeps.",
        "file-D4-run.exe": b"MZ" + bytes(200),
        "file-Aa12-other.png": b"x",
    }

    told = brought(member, zipped(**{"conversations.json": json.dumps(export_of).encode(), **members}))

    assert (told["imported"], told["refused"]) == (1, 0)
    assert [(each["message"], each["reason"]) for each in told["skipped"]] == [
        ("a", "image"), ("q", "image"), ("q", "image"), ("q", "image"), ("q", "attachment_refused"),
    ]  # fmt: skip
    with member.acting():
        rows = Attachment.objects.select_related("message").all()
        assert [(row.message.external_id, row.kind, row.name, row.content_type) for row in rows] == [  # type: ignore[union-attr]
            ("q", "image", "otter.png", "image/png"),
            ("q", "image", "sanitized.jpg", "image/jpeg"),
            ("q", "file", "plan.txt", "text/plain"),
        ]


def test_what_an_import_brought_goes_with_its_conversation_and_to_a_model(acme: House, globex: House) -> None:
    member = acme.person("member")
    before = kept_files(member)
    content = f"Otters of {acme.canary}".encode()
    made = brought(member, archived([asked(told_of(content, "plan.txt"))], {f"files/{HASH(content).hexdigest()}": content}))
    path = f"/api/v1/conversations/{made['conversation']}/"

    with member.acting():
        question = Message.objects.get()
        [file] = carrying.carried(question, [])[question.pk].files
    assert (file.name, file.text) == ("plan.txt", content.decode())
    for stranger in (acme.person("member2"), globex.person("member")):
        with stranger.acting():
            assert not Attachment.objects.exists()
        if stranger.house is globex:
            assert kept_files(stranger).isdisjoint(kept_files(member))
    assert len(kept_files(member) - before) == 1
    assert member.api.delete(f"{path}?forever=true").status_code in {200, 204}
    assert member.api.delete("/api/v1/conversations/bin/").status_code in {200, 204}
    assert kept_files(member) == before
