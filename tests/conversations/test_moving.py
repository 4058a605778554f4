"""Conversations as files: out, and in again from here and from elsewhere."""

from __future__ import annotations

import asyncio
import io
import json
import random
import zipfile
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from assistants.conversations.importing import services as importing
from assistants.conversations.models import Attachment, Conversation, Import, Message
from isolation import context
from tests import canary
from tests.conversations.test_api import talk
from tests.people import Actor, House

IMPORT = "/api/v1/conversations/import/"


def send(actor: Actor, body: Any, **headers: str) -> Any:
    return actor.api.post(IMPORT, body, content_type="application/json", headers=headers)


def upload(actor: Actor, content: bytes, name: str = "conversations.json") -> Any:
    return actor.api.post(IMPORT, {"file": SimpleUploadedFile(name, content)})


def export(actor: Actor, path: str = "", form: str = "json") -> bytes:
    answer = actor.api.get(f"/api/v1/conversations/{path}export/?format={form}")
    assert answer.status_code == 200, answer.content
    return b"".join(answer) if not answer.streaming else asyncio.run(drained(answer))


async def drained(answer: Any) -> bytes:
    return b"".join([part async for part in answer.streaming_content])


def unpacked(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def a_tree(number: int, words: str = "") -> dict[str, Any]:
    """A conversation in our format whose questions were edited and answers asked for again, here and there."""
    chance = random.Random(number)
    messages: list[dict[str, Any]] = []
    at = None
    for turn in range(chance.randint(1, 6)):
        for _edit in range(chance.choice((1, 1, 2))):
            question = {"id": f"q{number}-{turn}-{_edit}", "parent": at, "role": "user", "content": f"question {turn} {words}"}
            messages.append(question)
            for again in range(chance.choice((1, 1, 3))):
                answer = {
                    "id": f"{question['id']}-{again}",
                    "parent": question["id"],
                    "role": "assistant",
                    "content": f"answer {chance.random()}\n\nwith “signs” é 🦦 [1]",
                    "citations": [
                        {
                            "number": 1,
                            "document": "01930000-0000-7000-8000-00000000ffff",
                            "title": f"Handbook {number}.pdf",
                            "page": 3,
                            "pages": [3, 4],
                            "start": 10,
                            "end": 20,
                            "text": "a passage",
                            "score": 0.5,
                            "scores": {"text": 0.25},
                        }
                    ],
                    "grounded": True,
                    "model": "builtin/quotes",
                    "beside": f"{question['id']}-0" if again and number % 3 == 0 else None,
                    "continues": f"{question['id']}-0" if again == 1 and number % 5 == 0 else None,
                    "feedback": {"rating": "down", "reason": "wrong", "comment": "é"} if chance.random() < 0.3 else None,
                }
                messages.append(answer)
        at = messages[-1]["id"]
    for place, message in enumerate(messages):
        message["created_at"] = f"2026-05-{1 + number % 28:02d}T10:{place:02d}:00.123456+00:00"
    return {
        "id": f"generated-{number}",
        "title": f"Tree {number}",
        "created_at": messages[0]["created_at"],
        "active_at": messages[-1]["created_at"],
        "tags": ["Contracts", "notice periods"][: number % 3],
        "folder": f"Folder {number % 7}" if number % 2 else None,
        "pinned": number % 10 == 0,
        "archived": number % 11 == 0,
        "leaf": messages[-1]["id"],
        "messages": messages,
    }


def document(conversations: list[dict[str, Any]]) -> bytes:
    return json.dumps({"format": "cloison.conversations", "version": 1, "conversations": conversations}).encode()


def shape(conversation: dict[str, Any]) -> Any:
    """A conversation without its ids: each message under its parent, siblings in their order, the active branch marked."""
    below: dict[str | None, list[dict[str, Any]]] = {}
    for message in conversation["messages"]:
        below.setdefault(message["parent"], []).append(message)
    parts = ("role", "content", "created_at", "citations", "grounded", "author", "model", "feedback")
    places = {message["id"]: place for place, message in enumerate(conversation["messages"])}

    def under(key: str | None) -> list[Any]:
        return [
            [
                {part: m.get(part) or None for part in parts},
                [{part: told for part, told in file.items() if part != "id"} for file in m.get("attachments", [])],
                [places.get(m.get(part)) for part in ("continues", "beside")],
                m["id"] == conversation["leaf"],
                under(m["id"]),
            ]
            for m in below.get(key, [])
        ]

    order = [conversation.get(part) or None for part in ("tags", "folder", "pinned", "archived")]
    return [conversation["title"], conversation["created_at"], conversation["active_at"], order, under(None)]


def test_one_conversation_as_json_and_markdown(acme: House, globex: House) -> None:
    member = acme.person("member")
    title = 'Notice: periods/../"contracts"\u202e'
    body = {**a_tree(3), "title": title, "assistant": {"name": "nobody's"}}
    made = upload(member, document([body])).json()["conversation"]
    path = f"/api/v1/conversations/{made}/export/?format="

    markdown, plain = member.api.get(path + "md"), member.api.get(path + "json")

    text = markdown.content.decode()
    assert markdown.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Notice%20periods%20..%20contracts.md"
    assert "[^2-1]: Handbook 3.pdf, page 3" in text and "🦦[^2-1]" in text
    assert text.count("\n## ") == 2 * len({m["id"].split("-")[1] for m in body["messages"]})  # The active branch alone.
    assert shape(json.loads(plain.content)["conversations"][0])[1:] == shape(body)[1:]
    assert member.api.get(path + "exe").status_code == 400
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        assert stranger.api.get(path + "md").status_code == 404


def test_a_member_exports_what_is_theirs_alone(acme: House, globex: House, owner: psycopg.Connection) -> None:
    for actor, word in ((acme.person("member"), acme.canary), (globex.person("member"), globex.canary)):
        upload(actor, document([{**a_tree(1, word), "id": "same"}]))
    upload(acme.person("member2"), document([{**a_tree(1, canary.private(acme)), "id": "same"}]))

    for form in ("json", "md"):
        for body in unpacked(export(acme.person("member"), form=form)).values():
            canary.look(body, acme.person("member"), "export")
            assert acme.canary in body.decode()
    last = owner.execute(
        f"SELECT action, details FROM {acme.schema}.audit_auditevent WHERE action LIKE '%exported' ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    assert last == ("conversations.exported", '{"format":"md"}')


def test_the_apis_own_form_stores_without_a_model(acme: House, globex: House) -> None:
    member = acme.person("member")
    body = {
        "title": "A talk \0of spring\ud800",
        "messages": [
            {
                "external_id": "D1:1",
                "author": "Caroline",
                "role": "user",
                "content": "Hey \0Mel!",
                "created_at": "2023-05-08T13:56:00Z",
            },
            {"external_id": "D1:2", "author": "Melanie", "role": "assistant", "content": "Hey\ud83d Caroline."},
            {"external_id": "D1:3", "role": "robot", "content": "beep"},
            {"external_id": "D1:4", "role": "user", "content": "  "},
            {"external_id": "D1:5", "role": "user", "content": "Bye"},
        ],
    }
    answer = send(member, body, **{"idempotency-key": "once"})
    made = answer.json()

    assert answer.status_code == 201
    listed = member.api.get(f"/api/v1/conversations/{made['conversation']}/messages/").json()["results"]
    assert [row["id"] for row in listed] == made["messages"]
    assert [(row["external_id"], row["role"], row["content"], row["run"]) for row in listed] == [
        ("D1:1", "user", "Hey Mel!", None),
        ("D1:2", "assistant", "Hey? Caroline.", None),
        ("D1:5", "user", "Bye", None),
    ]
    assert listed[0]["created_at"] == listed[1]["created_at"] == "2023-05-08T13:56:00Z"
    assert [row["parent"] for row in listed] == [None, made["messages"][0], made["messages"][1]]
    assert [(each["message"], each["reason"]) for each in made["skipped"]] == [("#3", "unknown_role"), ("#4", "empty")]
    assert send(member, body, **{"idempotency-key": "once"}).json() == made
    other = send(member, {**body, "title": "x"}, **{"idempotency-key": "once"})
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    with member.acting():
        assert Conversation.objects.count() == 1
        assert Conversation.objects.get().title == "A talk of spring?"
    for stranger in (acme.person("member2"), globex.person("member")):
        assert stranger.api.get(f"/api/v1/conversations/imports/{made['id']}/").status_code == 404
        assert stranger.api.get("/api/v1/conversations/imports/").json()["results"] == []
    assert send(acme.person("member2"), body, **{"idempotency-key": "once"}).json()["conversation"] != made["conversation"]


def node(key: str, parent: str | None, children: list[str], role: str = "", **content: Any) -> dict[str, Any]:
    metadata = content.pop("metadata", {})
    recipient = content.pop("recipient", "all")
    message = {
        "id": key,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": 1697000000.25,
        "update_time": None,
        "content": {"content_type": "text", **content},
        "status": "finished_successfully",
        "weight": 1.0,
        "metadata": metadata,
        "recipient": recipient,
    }
    return {"id": key, "message": message if role else None, "parent": parent, "children": children}


def a_chatgpt_export() -> list[dict[str, Any]]:
    """As the public descriptions of `conversations.json` have it."""
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1", "size_bytes": 4711}
    nodes = [
        node("root", None, ["sys"]),
        node("sys", "root", ["own"], "system", parts=[""], metadata={"is_visually_hidden_from_conversation": True}),
        node(
            "own",
            "sys",
            ["q1", "q1b"],
            "user",
            content_type="user_editable_context",
            user_profile="I am a vet",
            metadata={"is_user_system_message": True, "is_visually_hidden_from_conversation": True},
        ),
        node("q1", "own", ["a1", "a1b"], "user", parts=["How do I hold an otter?"]),
        node("a1", "q1", [], "assistant", parts=["Not at all."], metadata={"model_slug": "gpt-4o"}),
        node("a1b", "q1", [], "assistant", parts=["With gloves."], metadata={"model_slug": "gpt-4o"}),
        node(
            "q1b",
            "own",
            ["t0"],
            "user",
            content_type="multimodal_text",
            parts=[picture, "How do I hold this otter?"],
            metadata={"attachments": [{"id": "file-2", "name": "otter.pdf"}]},
        ),
        node("t0", "q1b", ["t1"], "assistant", content_type="thoughts", thoughts=[{"summary": "x", "content": "y"}]),
        node("t1", "t0", ["t2"], "assistant", content_type="code", language="python", text="print(1)", recipient="python"),
        node("t2", "t1", ["a2"], "tool", content_type="execution_output", text="1"),
        node("a2", "t2", ["q3"], "assistant", parts=["Gently."], metadata={"model_slug": "o3"}),
        node(
            "q3",
            "a2",
            ["x4"],
            "user",
            content_type="multimodal_text",
            parts=[{"content_type": "audio_transcription", "text": "And then?"}],
        ),
        node("x4", "q3", [], "critic", parts=["?"]),
    ]
    return [
        {
            "id": "conv-1",
            "conversation_id": "conv-1",
            "title": "Otters",
            "create_time": 1697000000.5,
            "update_time": 1697000100.0,
            "mapping": {each["id"]: each for each in nodes},
            "current_node": "x4",
            "moderation_results": [],
            "plugin_ids": None,
        },
        {
            "id": "conv-2",
            "title": "Empty",
            "create_time": 1.0,
            "mapping": {"root": node("root", None, [])},
            "current_node": "root",
        },
    ]


def test_a_chatgpt_export_comes_in_whole_and_says_what_it_cannot_bring(acme: House) -> None:
    member = acme.person("member")
    archive = zipped(**{"conversations.json": json.dumps(a_chatgpt_export()).encode(), "chat.html": b"<html>"})

    told = upload(member, archive, "chatgpt.zip").json()
    [tree] = json.loads(export(member, f"{told['conversation']}/"))["conversations"]

    assert (told["imported"], told["refused"]) == (1, 1)
    assert {each["reason"]: each["message"] for each in told["skipped"]} == {
        "custom_instructions": "own",
        "image": "q1b",
        "attachment": "q1b",
        "reasoning": "t0",
        "tool_call": "t1",
        "code_output": "t2",
        "unknown_role": "x4",
        "no_messages": "",
    }
    names = {m["id"]: m["external_id"] for m in tree["messages"]}
    assert [(m["external_id"], names.get(m["parent"]), m["content"], m["model"]) for m in tree["messages"]] == [
        ("q1", None, "How do I hold an otter?", None),
        ("a1", "q1", "Not at all.", "gpt-4o"),
        ("a1b", "q1", "With gloves.", "gpt-4o"),
        ("q1b", None, "How do I hold this otter?", None),
        ("a2", "q1b", "Gently.", "o3"),
        ("q3", "a2", "And then?", None),
    ]
    assert names[tree["leaf"]] == "q3"
    assert tree["title"] == "Otters" and tree["created_at"].startswith("2023-10-11T04:53:20.5")
    again = upload(member, json.dumps(a_chatgpt_export()).encode()).json()
    assert (again["imported"], again["existing"], again["refused"]) == (0, 1, 1)


def test_an_open_webui_export_comes_in_whole_and_says_what_it_cannot_bring(acme: House) -> None:
    member = acme.person("member")
    thought = '<details type="reasoning" done="true" duration="2">\n<summary>Thought</summary>\n> hm\n</details>\nTwo.'
    messages = {
        "m1": {
            "id": "m1",
            "parentId": None,
            "childrenIds": ["m2", "m3"],
            "role": "user",
            "content": "1+1?",
            "timestamp": 1720000000,
            "files": [{"type": "image", "url": "data:"}, {"type": "file", "name": "a.pdf"}],
        },
        "m2": {
            "id": "m2",
            "parentId": "m1",
            "childrenIds": [],
            "role": "assistant",
            "content": thought,
            "model": "llama3:8b",
            "timestamp": 1720000001,
        },
        "m3": {
            "id": "m3",
            "parentId": "m1",
            "childrenIds": ["m4"],
            "role": "assistant",
            "content": "Deux.",
            "model": "qwen3",
            "timestamp": 1720000002,
        },
        "m4": {
            "id": "m4",
            "parentId": "m3",
            "childrenIds": ["m5"],
            "role": "user",
            "content": [{"type": "text", "text": "Sure?"}, {"type": "image_url"}],
        },
        "m5": {"id": "m5", "parentId": "m4", "childrenIds": [], "role": "assistant", "content": "", "error": {"content": "boom"}},
    }
    chat = {
        "id": "c1",
        "user_id": "u",
        "title": "Sums",
        "created_at": 1720000000,
        "updated_at": 1720000009,
        "pinned": False,
        "meta": {"tags": ["maths"]},
        "chat": {
            "title": "Sums",
            "models": ["llama3:8b", "qwen3"],
            "system": "Be brief",
            "tags": [],
            "history": {"messages": messages, "currentId": "m5"},
            "messages": list(messages.values()),
        },
    }
    old = {
        "id": "c2",
        "title": "Old",
        "chat": {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]},
    }

    told = upload(member, json.dumps([chat, old]).encode(), "chat-export.json").json()
    first, second = json.loads(unpacked(export(member))["conversations.json"])["conversations"]

    assert (told["imported"], told["refused"]) == (2, 0)
    assert sorted((each["reason"], each["message"]) for each in told["skipped"]) == [
        ("attachment", "m1"), ("custom_instructions", ""), ("failed_answer", "m5"), ("image", "m1"), ("image", "m4"), ("reasoning", "m2"),
    ]  # fmt: skip
    assert (first["tags"], first["folder"], second["tags"]) == (["maths"], None, [])
    names = {m["id"]: m["external_id"] for m in first["messages"]}
    assert [(m["external_id"], names.get(m["parent"]), m["content"], m["model"]) for m in first["messages"]] == [
        ("m1", None, "1+1?", None),
        ("m2", "m1", "Two.", "llama3:8b"),
        ("m3", "m1", "Deux.", "qwen3"),
        ("m4", "m3", "Sure?", None),
    ]
    assert names[first["leaf"]] == "m4"
    assert [m["content"] for m in second["messages"]] == ["Hello", "Hi"]


def lying_archive() -> bytes:
    """Its directory says that it holds a hundred thousand members."""
    found = bytearray(zipped(**{"conversations.json": b"[]"}))
    at = found.rfind(b"PK\x05\x06")
    found[at + 10 : at + 12] = (60_000).to_bytes(2, "little")
    return bytes(found)


HOSTILE: dict[str, tuple[Any, int, str]] = {
    "no export": (b"hello", 415, "unknown_format"),
    "nothing": (b"", 415, "unknown_format"),
    "another JSON": (b'[{"a": 1}]', 415, "unknown_format"),
    "cut off": (b'[{"title": "x", "mess', 400, "broken_file"),
    "more behind it": (b"[] []", 400, "broken_file"),
    "wrong brackets": (b'[{"a": ]}', 400, "broken_file"),
    "deep": (b"[" * 200_000, 400, "too_deep"),
    "deep in one": (b'[{"messages":' + b'{"a":' * 5_000, 400, "too_deep"),
    "a later version": (b'{"format": "cloison.conversations", "version": 2, "conversations": [{}]}', 400, "unknown_version"),
    "a bomb": (lambda: zipped(**{"conversations.json": b" " * 20_000_000}), 413, "archive_too_large"),
    "a full directory": (lying_archive, 413, "archive_too_large"),
    "no zip": (b"PK\x03\x04" + b"x" * 100, 400, "broken_file"),
    "no conversations in it": (lambda: zipped(**{"a/b.json": b"[]"}), 415, "unknown_format"),
    "no message": (b'{"title": "x", "messages": []}', 400, "nothing_imported"),
    "no message that can be kept": (b'[{"messages": [{"role": "robot", "content": "x"}, 7]}]', 400, "nothing_imported"),
    "many values": (b'{"messages": [' + b"[]," * 310_000 + b"[]]}", 413, "too_large"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_gets_its_code_and_stores_nothing(acme: House, what: str) -> None:
    member = acme.person("member")
    content, status, code = HOSTILE[what]

    answer = upload(member, content() if callable(content) else content)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    with member.acting():
        assert not Conversation.objects.exists() and not Import.objects.exists()


def test_one_bad_conversation_does_not_stop_the_others_and_leaves_nothing_half(acme: House) -> None:
    member = acme.person("member")
    good = a_tree(1)
    loop = {**a_tree(2), "messages": [{**m, "parent": "elsewhere"} for m in a_tree(2)["messages"]]}
    wrong_dates = {**a_tree(4), "created_at": 1e300, "active_at": "9999-99-99T00:00:00Z", "title": {"a": 1}}
    parts = [json.dumps(each).encode() for each in (good, loop, wrong_dates)]
    parts += [
        b'{"messages": [NaN], "leaf": null}',
        b'{"messages": [' + b"[]," * 310_000 + b"[]]}",
        b'"text"',
        b'{"messages": [1' + b"0" * 9000 + b"]}",
    ]
    body = b'{"version": 1, "conversations": [' + b",".join(parts) + b'], "format": "cloison.conversations"}'

    told = upload(member, body).json()

    assert (told["imported"], told["refused"]) == (2, 5)
    assert told["reasons"] == {"broken_tree": 1, "unreadable": 2, "conversation_too_large": 1, "unknown_shape": 1}
    with member.acting():
        assert Message.objects.count() == len(good["messages"]) + len(wrong_dates["messages"])


def test_a_body_is_no_file_and_a_file_is_wanted(acme: House, settings: Any) -> None:
    member = acme.person("member")
    assert send(member, {"messages": "x"}).json()["code"] == "unknown_format"
    assert member.api.post(IMPORT, {"file": "text"}).json()["code"] == "invalid"
    assert send(member, json.dumps({"messages": [], "pad": "x" * 3_000_000})).json()["code"] == "too_large"

    settings.CLOISON_MAX_IMPORT = 1000
    assert upload(member, b"[" + b" " * 2000 + b"]").json()["code"] == "too_large"


def test_a_large_file_is_read_by_a_worker_and_tells_how_far_it_is(
    acme: House, globex: House, django_assert_num_queries: Any
) -> None:
    member = acme.person("member")
    body = document([a_tree(number, "x" * 3000) for number in range(150)])

    queued = upload(member, body, "large.json")
    with member.acting():
        row = Import.objects.get()
        assert importing.lost_imports() == []
        Import.objects.update(touched_at=timezone.now() - timedelta(minutes=2))
    with context.use(context.service(acme.schema)):
        assert importing.lost_imports() == [importing.LostImport(row.pk, member.user.pk)]
    with member.acting():
        importing.run_import(row.pk)
        importing.run_import(row.pk)  # Sent twice.
    done = member.api.get(f"/api/v1/conversations/imports/{row.public_id}/").json()

    assert queued.status_code == 202 and queued.json()["status"] == "queued"
    assert (done["status"], done["imported"], done["progress"], done["name"]) == ("done", 150, 100, "large.json")
    with django_assert_num_queries(1):
        assert [each["id"] for each in member.api.get("/api/v1/conversations/imports/").json()["results"]] == [done["id"]]
    with member.acting():
        assert Conversation.objects.count() == 150
    with globex.person("member").acting():
        importing.run_import(row.pk)  # Another tenant's id is none.
        assert not Conversation.objects.exists()


def test_names_and_roles_of_an_import_give_no_rights(acme: House) -> None:
    member, admin = acme.person("member"), acme.person("admin")
    body = {"title": "x", "owner": admin.user.pk, "messages": [
        {"role": "user", "author": admin.email, "content": "hi", "owner": admin.user.pk, "run": "x"},
    ]}  # fmt: skip

    made = send(member, body).json()["conversation"]

    assert admin.api.get(f"/api/v1/conversations/{made}/").status_code == 404
    assert member.api.get(f"/api/v1/conversations/{made}/").status_code == 200


def test_an_import_goes_on_as_a_conversation(acme: House) -> None:
    member = acme.person("member")
    made = upload(member, document([a_tree(5)])).json()["conversation"]

    sent = member.api.post(f"/api/v1/conversations/{made}/messages/", {"content": "And now?"}, content_type="application/json")

    assert sent.status_code == 202
    with member.acting():
        question = Message.objects.get(public_id=sent.json()["message"]["id"])
        assert question.parent is not None and question.parent.role == "assistant"


@pytest.mark.parametrize("form", ["json", "md"])
def test_attached_files_go_along(acme: House, form: str) -> None:
    member = acme.person("member")
    content = f"Otters of {acme.canary}\n".encode() * 50
    attached = member.api.post("/api/v1/attachments/", {"file": SimpleUploadedFile("otters.txt", content)}).json()
    conversation = member.api.post("/api/v1/conversations/", {}, content_type="application/json").json()["id"]
    body = {"content": "What is in it?", "attachments": [attached["id"]]}
    path = f"/api/v1/conversations/{conversation}/messages/"
    assert member.api.post(path, body, content_type="application/json").status_code == 202
    with member.acting():
        row = Attachment.objects.get()

    found = unpacked(export(member, form=form))

    assert found[f"files/{row.sha256}"] == content
    if form == "json":
        told = json.loads(found["conversations.json"])["conversations"][0]["messages"][0]["attachments"]
        assert [(each["name"], each["sha256"], each["size"]) for each in told] == [("otters.txt", row.sha256, len(content))]


def test_exports_take_few_queries(acme: House, django_assert_num_queries: Any) -> None:
    member = acme.person("member")
    conversation = talk(member, 60)
    member.api.get("/api/v1/me/")  # Signs in, in another thread.

    # The conversation; its messages with runs; thoughts of them; what is attached; the audit event.
    with django_assert_num_queries(5):
        member.api.get(f"/api/v1/conversations/{conversation.public_id}/export/?format=md")
