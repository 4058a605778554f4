"""Folders, tags, pins, the archive and the bin: each person's own, and gone from every door when deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError
from django.utils import timezone

from assistants.conversations import services
from assistants.conversations.models import Conversation, ConversationFolder, ConversationTag, Message, Run, Tag
from audit.models import AuditEvent
from tests.conversations.test_api import talk
from tests.people import Actor, House

BASE = "/api/v1/"
JSON = "application/json"


def make(actor: Actor, kind: str, name: str) -> str:
    made = actor.api.post(f"{BASE}{kind}/", {"name": name}, content_type=JSON)
    assert made.status_code == 201, made.content
    return str(made.json()["id"])


def change(actor: Actor, conversation: Conversation, **fields: Any) -> Any:
    return actor.api.patch(f"{BASE}conversations/{conversation.public_id}/", fields, content_type=JSON)


def titles(actor: Actor, query: str = "", where: str = "conversations/") -> list[str]:
    return [row["title"] for row in actor.api.get(f"{BASE}{where}{query}").json()["results"]]


def named(actor: Actor, title: str) -> Conversation:
    conversation = talk(actor, 2)
    with actor.acting():
        Conversation.objects.filter(pk=conversation.pk).update(title=title)
    return conversation


@pytest.mark.parametrize("kind", ["conversation-folders", "tags"])
def test_folders_and_tags_are_a_persons_own_and_once_by_name(acme: House, globex: House, kind: str) -> None:
    member = acme.person("member")
    made = make(member, kind, "  Contrats   2026 ")

    again = member.api.post(f"{BASE}{kind}/", {"name": "CONTRATS 2026"}, content_type=JSON)
    nameless = member.api.post(f"{BASE}{kind}/", {"name": " \0 "}, content_type=JSON)
    renamed = member.api.patch(f"{BASE}{kind}/{made}/", {"name": "Accords"}, content_type=JSON)

    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    assert nameless.status_code == 400
    assert renamed.json()["name"] == "Accords"
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        assert stranger.api.get(f"{BASE}{kind}/").json()["results"] == []
        assert stranger.api.patch(f"{BASE}{kind}/{made}/", {"name": "Mine"}, content_type=JSON).status_code == 404
        assert stranger.api.delete(f"{BASE}{kind}/{made}/").status_code == 404
        make(stranger, kind, "Accords")  # The same name is nobody else's business.
    assert member.api.delete(f"{BASE}{kind}/{made}/").status_code == 204


def test_conversations_are_filed_tagged_pinned_and_archived(acme: House, django_assert_num_queries: Any) -> None:
    member = acme.person("member")
    filed, tagged, plain = (named(member, title) for title in ("Filed", "Tagged", "Plain"))
    folder, tag, other = make(member, "conversation-folders", "Work"), make(member, "tags", "urgent"), make(member, "tags", "x")

    changed = change(member, filed, folder=folder, pinned=True).json()
    change(member, tagged, tags=[tag, other])
    change(member, tagged, tags=[tag])

    assert (changed["folder"], changed["pinned"], changed["archived"], changed["title"]) == (folder, True, False, "Filed")
    assert titles(member, f"?folder={folder}") == ["Filed"]
    assert titles(member, "?folder=none") == ["Plain", "Tagged"]
    assert (titles(member, f"?tag={tag}"), titles(member, f"?tag={other}")) == (["Tagged"], [])
    assert (titles(member, "?pinned=true"), titles(member, "?pinned=false")) == (["Filed"], ["Plain", "Tagged"])
    change(member, plain, archived=True)
    assert titles(member) == ["Tagged", "Filed"]
    assert (titles(member, "?archived=true"), len(titles(member, "?archived=all"))) == (["Plain"], 3)
    for query, field in (("?folder=x", "folder"), ("?tag=x", "tag"), ("?pinned=x", "pinned"), ("?archived=x", "archived")):
        refused = member.api.get(f"{BASE}conversations/{query}")
        assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "invalid_filter", field)
    with django_assert_num_queries(2):  # The rows with assistants and folders; their tags.
        member.api.get(f"{BASE}conversations/?archived=all")
    with django_assert_num_queries(1):
        member.api.get(f"{BASE}conversation-folders/")
    with django_assert_num_queries(1):
        member.api.get(f"{BASE}tags/")
    assert member.api.delete(f"{BASE}conversation-folders/{folder}/").status_code == 204
    assert change(member, filed, archived=False).json()["folder"] is None


def test_the_database_refuses_a_folder_or_tag_of_somebody_else(acme: House) -> None:
    member, member2 = acme.person("member"), acme.person("member2")
    conversation = named(member, "Mine")
    folder, tag = make(member2, "conversation-folders", "Theirs"), make(member2, "tags", "theirs")
    refused = change(member, conversation, folder=folder), change(member, conversation, tags=[tag])
    with member2.acting():
        folder_key, tag_key = ConversationFolder.objects.get().pk, Tag.objects.get().pk

    assert [(answer.status_code, answer.json()["field"]) for answer in refused] == [(404, "folder"), (404, "tags")]
    for attack in (
        lambda: Conversation.objects.filter(pk=conversation.pk).update(folder_id=folder_key),
        lambda: ConversationTag.objects.create(conversation_id=conversation.pk, tag_id=tag_key),
    ):
        with member.acting(), pytest.raises(DatabaseError, match=r"row-level security|foreign key"):
            attack()


def test_case_63_what_is_deleted_is_gone_from_every_door_but_the_bin(
    acme: House, globex: House, django_assert_num_queries: Any
) -> None:
    member = acme.person("member")
    conversation = named(member, "Gone")
    with member.acting():
        started = services.start_run(owner=member.user, conversation=conversation.public_id, content="pelican facts")
        Run.objects.filter(pk=started.run.pk).update(status="completed")
    path, run = f"{BASE}conversations/{conversation.public_id}/", f"{BASE}runs/{started.run.public_id}/"
    assert member.api.get(run).status_code == 200
    assert member.api.get(f"{BASE}conversations/search/?q=pelican").json()["results"]

    assert member.api.delete(path).status_code == 204

    assert titles(member) == titles(member, "?archived=all") == []
    assert member.api.get(f"{BASE}conversations/search/?q=pelican").json()["results"] == []
    for gone in (path, f"{path}messages/", f"{path}draft/", run, f"{run}events/", f"{run}sent/"):
        assert member.api.get(gone).status_code == 404, gone
    assert member.api.post(f"{path}messages/", {"content": "x"}, content_type=JSON).status_code == 404
    assert change(member, conversation, title="x").status_code == 404
    with django_assert_num_queries(2):  # The rows with assistants and folders; their tags.
        binned = member.api.get(f"{BASE}conversations/bin/").json()["results"]
    assert [(row["title"], row["deleted_at"] is not None) for row in binned] == [("Gone", True)]
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        assert titles(stranger, where="conversations/bin/") == []
        assert stranger.api.post(f"{path}restore/").status_code == 404
        assert stranger.api.delete(f"{path}?forever=true").status_code == 404

    restored = member.api.post(f"{path}restore/")

    assert (restored.status_code, titles(member)) == (200, ["Gone"])
    assert member.api.get(f"{BASE}conversations/search/?q=pelican").json()["results"]
    assert len(member.api.get(f"{path}messages/").json()["results"]) == 4


@pytest.mark.parametrize("way", ["forever", "twice", "empty"])
def test_case_63_what_is_removed_for_good_leaves_no_row(acme: House, owner: psycopg.Connection, way: str) -> None:
    member = acme.person("member")
    conversation, kept = named(member, "Gone"), named(acme.person("member2"), "Kept")
    change(member, conversation, tags=[make(member, "tags", "t")])
    path = f"{BASE}conversations/{conversation.public_id}/"
    member.api.put(f"{path}draft/", {"text": "half a question"}, content_type=JSON)

    if way == "forever":
        assert member.api.delete(f"{path}?forever=true").status_code == 204
    else:
        assert member.api.delete(path).status_code == 204
        assert member.api.delete(path if way == "twice" else f"{BASE}conversations/bin/").status_code == 204

    assert titles(member, where="conversations/bin/") == []
    for table in ("message", "searchentry", "conversationtag", "draft"):
        rows = owner.execute(f"SELECT DISTINCT conversation_id FROM {acme.schema}.conversations_{table}").fetchall()
        assert set(rows) <= {(kept.pk,)}, table
    with member.acting():
        actions = list(
            AuditEvent.objects.filter(target=f"conversation:{conversation.public_id}").values_list("action", flat=True)
        )
    assert actions[0] == "conversation.deleted"


def test_deleting_stops_the_answer_that_is_being_written(acme: House) -> None:
    member = acme.person("member")
    with member.acting():
        started = services.start_run(owner=member.user, conversation=None, content="Otter?")
        assert member.api.delete(f"{BASE}conversations/{started.conversation.public_id}/").status_code == 204
        assert Run.objects.get(pk=started.run.pk).status == Run.Status.STOPPED
        # One that does not end is not torn away under its process.
        Run.objects.filter(pk=started.run.pk).update(status=Run.Status.RUNNING, lease_until=timezone.now() + timedelta(hours=1))
        refused = member.api.delete(f"{BASE}conversations/{started.conversation.public_id}/?forever=true")

        assert (refused.status_code, refused.json()["code"]) == (409, "run_in_progress")
        assert Message.objects.filter(conversation=started.conversation).count() == 2
