"""How answers are rated, as counts: for those who may see them, and never whose, nor what was said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from assistants.conversations.models import Conversation, Feedback, Run
from assistants.profiles.models import Assistant
from tests.conversations.test_branches import BASE, post, turn
from tests.conversations.test_moving import a_tree, document, upload
from tests.people import Actor, House

COUNTS = f"{BASE}/feedback/"


def rated(actor: Actor, model: str, assistant: str = "", **said: str) -> str:
    """An answer by the model, and what the person says of it; returns the message's path."""
    conversation = post(actor, "conversations/", status=201)["id"]
    with actor.acting():
        chosen = Assistant.objects.get(name=assistant) if assistant else None
        Conversation.objects.filter(public_id=conversation).update(assistant=chosen)
    started = turn(actor, conversation, "a question")
    with actor.acting():
        Run.objects.filter(answer__public_id=started["answer"]["id"]).update(routing={"model": model} if model else {})
    path = f"messages/{started['answer']['id']}/feedback/"
    post(actor, path, said, status=200)
    return path


def found(actor: Actor, query: str = "") -> dict[str, Any]:
    answer = actor.api.get(COUNTS + query)
    assert answer.status_code == 200, answer.content
    told: dict[str, Any] = answer.json()
    return told


def rows(told: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(row["key"], row["up"], row["down"]) for row in told]


@pytest.fixture
def opinions(acme: House, globex: House) -> House:
    member, other = acme.person("member"), acme.person("member2")
    with member.acting():
        name = Assistant.objects.order_by("pk").values_list("name", flat=True)[0]
    rated(member, "openai/large", name, rating="down", reason="wrong", comment=f"says {acme.canary}")
    rated(other, "openai/large", rating="down", reason="wrong", comment="private words")
    rated(other, "builtin/quotes", name, rating="up")
    taken_back = rated(member, "", rating="down", reason="tone")
    assert member.api.delete(f"{BASE}/{taken_back}").status_code == 204
    rated(member, "", rating="down", reason="tone")
    rated(globex.person("member"), "foreign/model", rating="down", reason="other")
    assert upload(member, document([a_tree(number) for number in range(5)])).json()["imported"] == 5
    with member.acting():
        assert Feedback.objects.filter(counted=False).exists()  # Those of imported answers.
    return acme


@pytest.mark.parametrize("role", ["admin", "manager"])
def test_ratings_are_counted_by_reason_model_and_assistant(opinions: House, role: str, django_assert_num_queries: Any) -> None:
    actor = opinions.person(role)
    with actor.acting():
        assistant = Assistant.objects.order_by("pk")[0]
        assert not Feedback.objects.exists()
    actor.api.get("/api/v1/me/")

    # The counts; the assistants' names.
    with django_assert_num_queries(2):
        told = found(actor)

    today = timezone.now().date()
    assert (told["since"], told["until"]) == (str(today - timedelta(days=29)), str(today))
    assert (told["up"], told["down"]) == (1, 3)
    assert rows(told["reasons"]) == [("wrong", 0, 2), ("", 1, 0), ("tone", 0, 1)]
    assert rows(told["models"]) == [("openai/large", 0, 2), ("", 0, 1), ("builtin/quotes", 1, 0)]
    assert rows(told["assistants"]) == [("", 0, 2), (str(assistant.public_id), 1, 1)]
    assert [row["name"] for row in told["assistants"]] == ["Aucun assistant", assistant.name]  # In the reader's language.
    assert [row["name"] for row in told["models"]] == ["openai/large", "Aucun modèle", "builtin/quotes"]
    assert rows(told["days"]) == [(str(today), 1, 3)]
    body = actor.api.get(COUNTS).content.decode() + actor.api.get("/admin/conversations/feedback/").content.decode()
    for word in (opinions.canary, "private words", "foreign/model", "member@", "member2@"):
        assert word not in body


def test_counts_are_of_the_period_and_a_year_at_most(opinions: House) -> None:
    admin = opinions.person("admin")
    for actor in (opinions.person("member"), opinions.person("member2")):
        with actor.acting():
            Feedback.objects.filter(reason="wrong").update(given_at=timezone.now() - timedelta(days=40))

    old = timezone.now().date() - timedelta(days=40)
    assert (found(admin)["up"], found(admin)["down"]) == (1, 1)
    assert rows(found(admin, f"?since={old}&until={old}")["reasons"]) == [("wrong", 0, 2)]
    assert found(admin, f"?until={old - timedelta(days=1)}")["reasons"] == []
    for wrong in (f"?since={old - timedelta(days=400)}", "?since=2026-02-02&until=2026-02-01", "?since=x"):
        assert admin.api.get(COUNTS + wrong).json()["code"] == "invalid"


def test_case_20_counts_are_for_those_who_look_after_answers(opinions: House, globex: House) -> None:
    for role in ("member", "member2", "viewer", "auditor"):
        assert opinions.person(role).api.get(COUNTS).status_code == 403
        assert opinions.person(role).api.get("/admin/conversations/feedback/").status_code == 403
    assert rows(found(globex.person("admin"))["models"]) == [("foreign/model", 0, 1)]  # Their own, and the control.

    ask = "SELECT count(*) FROM feedback_counts('-infinity', 'infinity')"
    row = "SELECT count(*), max(comment) FROM conversations_feedback"
    for role, many in (("admin", True), ("manager", True), ("member2", False), ("viewer", False), ("auditor", False)):
        actor = opinions.person(role)
        with actor.acting(), connection.cursor() as cursor:
            cursor.execute(ask)
            assert (cursor.fetchone()[0] > 0) is many, role  # type: ignore[index]
            cursor.execute(row)
            assert cursor.fetchone() == ((2, "private words") if role == "member2" else (0, None)), role


def test_the_console_shows_counts_and_no_row(opinions: House) -> None:
    admin = opinions.person("admin")
    with opinions.person("member").acting():
        key = Feedback.objects.values_list("pk", flat=True)[0]

    page = admin.api.get("/admin/conversations/feedback/?days=7")

    text = page.content.decode()
    assert page.status_code == 200
    assert "openai/large" in text and "Elle est fausse" in text and text.count('class="down"') >= 2
    assert 'aria-current="true">7 jours' in text
    assert "/admin/conversations/feedback/" in admin.api.get("/admin/").content.decode()
    for inner in (f"{key}/change/", f"{key}/history/", f"{key}/", "add/"):
        assert admin.api.get(f"/admin/conversations/feedback/{inner}").status_code == 404
    assert "Avis par jour" in text and "Par modèle" in text
