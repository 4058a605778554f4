"""Privileged people and private conversations: nothing while the rule is off; with it, a reason, reading only, and a trace (case 21)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, transaction

from assistants.conversations.models import Conversation, Message, Run
from audit.models import AuditEvent, Reading
from audit.services import set_private_reading
from tests.people import Actor, House

BASE = "/api/v1"
WORDS = "CANARY-M2 the private words"
REASON = "Complaint 4711 of November"
PRIVILEGED = ["admin", "auditor"]


def call(actor: Actor, method: str, path: str, data: dict[str, Any] | None = None) -> tuple[int, Any]:
    answer = actor.api.generic(method, f"{BASE}/{path}", json.dumps(data or {}), content_type="application/json")
    return answer.status_code, json.loads(answer.content) if answer.content else {}


def allow(house: House, allowed: bool = True) -> None:
    with house.person("admin").acting():
        set_private_reading(allowed=allowed)


@pytest.fixture(autouse=True)
def off_again(houses: dict[str, House], clean: None) -> Iterator[None]:
    yield
    for house in houses.values():
        allow(house, False)


@pytest.fixture
def private(acme: House) -> Conversation:
    """What member2 asked, was answered, and how."""
    owner = acme.person("member2")
    with owner.acting():
        conversation = Conversation.objects.create(owner=owner.user, title=f"{WORDS}, title")
        said = {"conversation": conversation, "owner": owner.user}
        question = Message.objects.create(**said, role="user", content=f"{WORDS}, question")
        answer = Message.objects.create(**said, parent=question, role="assistant", content=f"{WORDS}, answer")
        Run.objects.create(conversation=conversation, owner=owner.user, question=question, answer=answer, status="completed")
    return conversation


def open_leave(reader: Actor, subject: Actor, reason: str = REASON) -> tuple[int, Any]:
    return call(reader, "POST", "readings/", {"person": str(subject.user.public_id), "reason": reason})


def doors(reader: Actor, conversation: Conversation) -> Iterator[Any]:
    """Everywhere that a conversation could show: API, pages, and the console's own machinery."""
    one, person = conversation.public_id, reader.house.person("member2").user
    with reader.acting():
        run = Run.objects.values_list("public_id", flat=True).first() or one
        kind = ContentType.objects.get_for_model(Conversation).pk
    for path in (
        f"{BASE}/conversations/",
        f"{BASE}/conversations/{one}/",
        f"{BASE}/conversations/{one}/messages/",
        f"{BASE}/runs/{run}/",
        f"{BASE}/runs/{run}/events/",
        "/",
        f"/c/{one}/",
        "/admin/",
        "/admin/conversations/conversation/",
        f"/admin/conversations/conversation/{conversation.pk}/change/",
        "/admin/conversations/conversation/?q=CANARY-M2",
        f"/admin/conversations/conversation/{conversation.pk}/history/",
        f"/admin/conversations/conversation/{conversation.pk}/delete/",
        "/admin/autocomplete/?app_label=conversations&model_name=run&field_name=conversation&term=CANARY",
        "/admin/audit/auditevent/?q=CANARY",
        "/admin/accounts/user/?q=CANARY-M2",
        f"/admin/accounts/user/{person.pk}/change/",
        f"/admin/accounts/user/{person.pk}/history/",
        f"/admin/accounts/user/{person.pk}/delete/",
        f"/admin/r/{kind}/{conversation.pk}/",
        "/admin/profiles/assistant/",
        "/admin/audit/reading/",
        f"{BASE}/audit-events/",
        f"{BASE}/readings/",
    ):
        yield path, reader.api.get(path)


def text_of(answer: Any) -> str:
    found = b"".join(answer.streaming_content) if answer.streaming else answer.content
    answer.close()
    return str(found, "utf-8", "replace")


@pytest.mark.parametrize("local", [*PRIVILEGED, "manager"])
def test_case_21_with_the_rule_off_nothing_private_shows_anywhere(acme: House, private: Conversation, local: str) -> None:
    reader, owner = acme.person(local), acme.person("member2")

    for path, answer in doors(reader, private):
        assert WORDS not in text_of(answer), path
        assert answer.status_code in {200, 302, 403, 404}, path
    status, answer = open_leave(reader, owner)
    assert status == 403
    assert answer["code"] == ("not_allowed" if local == "manager" else "private_reading_off")
    for page in ("people/", f"people/{owner.user.public_id}/"):
        assert reader.api.get(f"/admin/audit/reading/{page}").status_code in {302, 403}
    with reader.acting():
        assert [m.objects.count() for m in (Conversation, Message, Run)] == [0, 0, 0]
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            Reading.objects.create(
                reader=reader.user.pk, reader_name="x", subject=owner.user.pk, reason=REASON, expires_at="2020-01-01T00:00:00Z"
            )
    with owner.acting():
        assert [m.objects.count() for m in (Conversation, Message, Run)] == [1, 2, 1]


@pytest.mark.parametrize("local", PRIVILEGED)
def test_case_21_with_the_rule_on_a_reason_opens_reading_only_and_leaves_a_trace(
    acme: House, globex: House, private: Conversation, local: str
) -> None:
    reader, owner, third = acme.person(local), acme.person("member2"), acme.person("member")
    allow(acme)
    allow(globex)
    for path, answer in doors(reader, private):
        assert WORDS not in text_of(answer), path  # The rule alone opens nothing.
    assert open_leave(reader, owner, "short")[1]["code"] == "reason_missing"
    assert open_leave(reader, globex.person("member2"), REASON)[0] == 201  # The same ids: it is Acme's member2 who is meant.
    assert call(reader, "POST", "readings/", {"person": "01900000-0000-7000-8000-000000000000", "reason": REASON})[0] == 404

    status, leave = open_leave(reader, owner)

    assert (status, leave["reason"]) == (201, REASON)
    path = f"readings/{leave['id']}/conversations/"
    listed = call(reader, "GET", path)[1]["results"]
    assert [row["title"] for row in listed] == [private.title]
    shown = call(reader, "GET", f"{path}{private.public_id}/messages/")[1]["results"]
    assert [row["content"] for row in shown] == [f"{WORDS}, question", f"{WORDS}, answer"]
    # The owner's own doors stay the owner's.
    for door in ("conversations/", f"conversations/{private.public_id}/", f"conversations/{private.public_id}/messages/"):
        assert WORDS not in reader.api.get(f"{BASE}/{door}").content.decode()
    # The trace: who, which, when, why; the person sees it, too.
    with reader.acting():
        event = AuditEvent.objects.latest("seq")
    assert (event.action, event.actor, event.subject) == ("content.conversation_read", reader.user.pk, owner.user.pk)
    assert (event.target, event.facts["reason"]) == (f"conversation:{private.public_id}", REASON)
    mine = call(owner, "GET", "me/readings/")[1]["results"]
    assert {(row["reader"], row["reason"]) for row in mine} == {(reader.email, REASON)}
    assert REASON in owner.api.get("/settings/").content.decode()
    assert call(third, "GET", "me/readings/")[1]["results"] == []
    # Others with the same right, and everybody next door, need a leave of their own.
    other = acme.person(PRIVILEGED[1 - PRIVILEGED.index(local)])
    assert call(other, "GET", path)[0] == 404
    assert call(globex.person(local), "GET", path)[0] == 404
    with other.acting():
        assert not Message.objects.exists()


@pytest.mark.parametrize("local", PRIVILEGED)
def test_case_21_leave_to_read_lets_no_query_write(
    acme: House, private: Conversation, local: str, owner: psycopg.Connection
) -> None:
    reader, subject = acme.person(local), acme.person("member2")
    allow(acme)
    open_leave(reader, subject)
    tables = ("conversation", "message", "run")

    def rows() -> list[Any]:
        return [owner.execute(f"SELECT * FROM {acme.schema}.conversations_{name} ORDER BY id").fetchall() for name in tables]

    before = rows()
    with reader.acting():
        assert [m.objects.count() for m in (Conversation, Message, Run)] == [1, 2, 1]  # The control: they are seen.
        assert Conversation.objects.update(title="changed") == 0
        assert Message.objects.update(content="changed") == 0
        assert Run.objects.update(error_code="changed") == 0
        for model in (Run, Message, Conversation):
            found = model.objects.all()
            assert found._raw_delete(found.db) == 0
        for wrong in (
            lambda: Message.objects.create(conversation=private, owner=subject.user, role="user", content="planted"),
            lambda: Message.objects.create(conversation=private, owner=reader.user, role="user", content="planted"),
            lambda: Conversation.objects.create(owner=subject.user, title="planted"),
            lambda: Run.objects.create(
                conversation=private,
                owner=reader.user,
                question=Message.objects.first(),
                answer=Message.objects.last(),
            ),
        ):
            with pytest.raises(DatabaseError), transaction.atomic():
                wrong()
    assert rows() == before


def test_case_21_leave_ends_with_its_time_the_rule_and_the_role(
    acme: House, private: Conversation, owner: psycopg.Connection
) -> None:
    reader, subject = acme.person("auditor"), acme.person("member2")
    allow(acme)
    leave = open_leave(reader, subject)[1]
    path = f"readings/{leave['id']}/conversations/"

    def seen() -> tuple[int, int]:
        with reader.acting():
            return call(reader, "GET", path)[0], Message.objects.count()

    assert seen() == (200, 2)
    allow(acme, False)
    assert seen() == (403, 0)
    allow(acme)
    assert seen() == (200, 2)
    owner.execute(f"UPDATE {acme.schema}.audit_reading SET expires_at = now() - interval '1 second'")
    assert seen() == (403, 0)
    assert call(reader, "GET", path)[1]["code"] == "reading_ended"
    with reader.acting():
        assert Reading.objects.update(expires_at="2099-01-01T00:00:00Z") == 0


def test_case_21_the_console_asks_for_a_reason_and_shows_plainly(acme: House, private: Conversation) -> None:
    reader, subject = acme.person("auditor"), acme.person("member2")
    allow(acme)
    base = "/admin/audit/reading/"
    assert f"{base}people/" in reader.api.get(base).content.decode()
    link = f"{base}people/{subject.user.public_id}/"
    assert link in reader.api.get(f"{base}people/").content.decode()
    assert reader.api.get(link).status_code == 200
    refused = reader.api.post(link, {"reason": "why"})
    assert (refused.status_code, "reason-problem" in refused.content.decode()) == (200, True)

    sent = reader.api.post(link, {"reason": REASON})

    assert sent.status_code == 302
    listed = reader.api.get(sent.headers["Location"]).content.decode()
    page = f"{sent.headers['Location']}{private.public_id}/"
    assert page in listed
    shown = reader.api.get(page).content.decode()
    assert f"{WORDS}, answer" in shown
    main = shown[shown.index("<main") if "<main" in shown else shown.index('id="content"') :]
    assert "<form" not in main and "<textarea" not in main
    with reader.acting():
        assert AuditEvent.objects.latest("seq").action == "content.conversation_read"
    # With leave, Django's own machinery still has no page of it.
    for path, answer in doors(reader, private):
        assert f"{WORDS}, answer" not in text_of(answer), path
    assert acme.person("manager").api.get(f"{base}people/").status_code in {302, 403}
    assert acme.person("member").api.get(f"{base}people/").status_code == 403


def test_lists_of_reading_take_few_queries(acme: House, private: Conversation, django_assert_num_queries: Any) -> None:
    reader = acme.person("auditor")
    allow(acme)
    leave = open_leave(reader, acme.person("member2"))[1]
    with django_assert_num_queries(3):  # The rule, the leave, the conversations.
        assert len(call(reader, "GET", f"readings/{leave['id']}/conversations/")[1]["results"]) == 1
    with django_assert_num_queries(1):
        assert len(call(reader, "GET", "readings/")[1]["results"]) == 1
    with django_assert_num_queries(1):
        assert len(call(acme.person("member2"), "GET", "me/readings/")[1]["results"]) == 1
