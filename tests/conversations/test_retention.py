"""Temporary chats, the bin's days and the tenant's rule: what is past its time is gone, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError
from django.utils import timezone

from assistants.conversations.models import Conversation, Message, RetentionPolicy
from assistants.conversations.tasks import sweep as sweeping
from audit.models import AuditEvent
from core import streams
from isolation import context, tasks
from tests.conftest import Live
from tests.conversations.test_order import named, titles
from tests.people import Actor, House
from tests.wire import client, sse

BASE = "/api/v1/conversations/"
JSON = "application/json"


def sweep(house: House) -> None:
    header = tasks.sign(context.service(house.schema), sweeping.name)
    sweeping.apply(headers={tasks.HEADER: header}, throw=True)


def aged(actor: Actor, title: str, **fields: Any) -> Conversation:
    conversation = named(actor, title)
    with actor.acting():
        Conversation.objects.filter(pk=conversation.pk).update(**fields)
    return conversation


def ago(**delta: int) -> Any:
    return timezone.now() - timedelta(**delta)


def left(house: House, owner: psycopg.Connection) -> set[str]:
    return {title for (title,) in owner.execute(f"SELECT title FROM {house.schema}.conversations_conversation").fetchall()}


def temporary(actor: Actor) -> str:
    made = actor.api.post(BASE, {"temporary": True, "title": "CANNOT STAY"}, content_type=JSON)
    assert (made.status_code, made.json()["temporary"], made.json()["title"]) == (201, True, "")
    return str(made.json()["id"])


async def test_a_temporary_chat_leaves_nothing(live: Live, acme: House, owner: psycopg.Connection) -> None:
    member = acme.person("member")
    secret = "xylophone-quartz"
    async with client(live, member) as http:
        chat = (await http.post(BASE, json={"temporary": True})).json()["id"]
        started = (await http.post(f"{BASE}{chat}/messages/", json={"content": f"What is {secret}?"})).json()
        run = started["run"]["id"]
        assert (await sse(http, f"/api/v1/runs/{run}/events/"))[-1]["type"] == "run.completed"
        assert (await http.get(f"{BASE}{chat}/")).json()["title"] == ""
        lists = [(await http.get(f"{BASE}{path}")).json()["results"] for path in ("", "?archived=all", f"search/?q={secret}")]
        pinned = await http.patch(f"{BASE}{chat}/", json={"pinned": True})
        key = f"run:{acme.schema}:{run}"
        told = await streams.entries(key, 0, 10)

        ended = await http.delete(f"{BASE}{chat}/")

        assert (await http.get(f"{BASE}{chat}/")).status_code == 404
        assert (await http.get(f"{BASE}bin/")).json()["results"] == []
        after = await streams.entries(key, 0, 10)
    assert lists == [[], [], []]
    assert pinned.status_code == 409
    assert ended.status_code == 204
    assert told and after == []
    used = owner.execute(f"SELECT input_tokens > 0 FROM {acme.schema}.gateway_usagerecord WHERE run = %s", (run,)).fetchall()
    assert used == [(True,)]
    tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (acme.schema,)).fetchall()
    for (table,) in tables:
        rows = owner.execute(f"SELECT t::text FROM {acme.schema}.{table} t WHERE t::text LIKE %s", (f"%{secret}%",)).fetchall()
        assert rows == [], table


def test_a_temporary_chat_goes_within_the_hour(acme: House, owner: psycopg.Connection) -> None:
    member = acme.person("member")
    chats = [temporary(member) for _ in range(3)]
    for chat, minutes in zip(chats, (50, 56, 61), strict=True):
        with member.acting():
            conversation = Conversation.objects.get(public_id=chat)
            Message.objects.create(conversation=conversation, owner=member.user, role="user", content="Secret")
            Conversation.objects.filter(pk=conversation.pk).update(active_at=ago(minutes=minutes))
    # The sweep may be late: the hour ends all the same.
    assert [member.api.get(f"{BASE}{chat}/messages/").status_code for chat in chats] == [200, 200, 404]

    sweep(acme)

    rows = owner.execute(f"SELECT public_id::text FROM {acme.schema}.conversations_conversation").fetchall()
    assert rows == [(chats[0],)]


def test_the_bin_and_the_rule_are_applied_in_each_tenant_for_itself(
    acme: House, globex: House, owner: psycopg.Connection
) -> None:
    for house in (acme, globex):
        member, member2 = house.person("member"), house.person("member2")
        aged(member, "binned long ago", binned_at=ago(days=31))
        aged(member2, "binned of late", binned_at=ago(days=29))
        aged(member, "old", active_at=ago(days=91))
        aged(member2, "old and pinned", active_at=ago(days=91), pinned_at=timezone.now())
        aged(member, "fresh", active_at=ago(days=89))
    member.user.pk  # noqa: B018
    admin = acme.person("admin")
    page = admin.api.get("/admin/conversations/retentionpolicy/1/change/").content.decode()
    form = {"conversations_days": "90", "bin_days": "30"}

    for stranger in ("member", "auditor", "manager"):
        assert acme.person(stranger).api.post("/admin/conversations/retentionpolicy/1/change/", form).status_code == 403
    saved = admin.api.post("/admin/conversations/retentionpolicy/1/change/", form)
    shown = admin.api.get("/admin/conversations/retentionpolicy/1/change/").content.decode()
    sweep(acme)
    sweep(globex)
    sweep(acme)

    assert saved.status_code == 302
    assert page != shown and "90" in shown
    assert left(acme, owner) == {"binned of late", "fresh"}
    assert left(globex, owner) == {"binned of late", "old", "old and pinned", "fresh"}
    assert titles(acme.person("member"), where="conversations/bin/") == []
    with admin.acting():
        [applied] = AuditEvent.objects.filter(action="retention.applied").order_by("-seq")[:1]
        assert applied.facts == {"bin": 1, "conversations": 2}
        assert AuditEvent.objects.filter(action="policy.retention_changed").exists()
        RetentionPolicy.objects.update(conversations_days=None)


def test_maintenance_sees_no_conversation_but_what_is_due(acme: House) -> None:
    member = acme.person("member")
    aged(member, "mine")
    aged(member, "binned", binned_at=timezone.now())

    with context.use(context.service(acme.schema)):
        assert [row.title for row in Conversation.objects.all()] == ["binned"]
        assert not Message.objects.exists()
        with pytest.raises(DatabaseError, match="row-level security"):
            Conversation.objects.create(owner_id=member.user.pk, title="forged")


def test_privileged_reading_shows_nothing_from_the_bin_and_no_temporary_chat(acme: House) -> None:
    from assistants.conversations import reading
    from audit.services import set_private_reading

    member, auditor = acme.person("member"), acme.person("auditor")
    aged(member, "kept")
    aged(member, "binned", binned_at=timezone.now())
    temporary(member)
    with acme.person("admin").acting():
        set_private_reading(allowed=True)
    with auditor.acting():
        leave = reading.take_leave(reader=auditor.user, person=member.user.public_id, reason="Complaint 4711")
        assert [row.title for row in reading.conversations(leave)] == ["kept"]
    with acme.person("admin").acting():
        set_private_reading(allowed=False)
