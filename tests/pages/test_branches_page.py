"""The tree of messages without a script: plain forms, each of which leads back to the conversation."""

from __future__ import annotations

import re
from typing import Any

from assistants.conversations.models import Conversation, Message, Run
from tests.conversations.test_branches import answered, here, member, post, turn
from tests.pages.test_pages import browser
from tests.people import Actor, House

__all__ = ["here", "member"]


def shown(client: Any, conversation: str, query: str = "") -> str:
    answer = client.get(f"/c/{conversation}/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_person_walks_the_tree_by_forms(member: Actor, here: str) -> None:
    first = turn(member, here, "one")
    client = browser(member)
    question, answer = first["message"]["id"], first["answer"]["id"]
    assert f'action="/messages/{question}/edit/"' in shown(client, here, f"?edit={question}")

    done = client.post(f"/messages/{question}/edit/", {"content": "one, in other words"})

    assert done.headers["Location"].startswith(f"/c/{here}/#m-")
    page = shown(client, here)
    assert "one, in other words" in page and "2 / 2" in page and f'formaction="/messages/{question}/activate/"' in page
    assert client.post(f"/messages/{answer}/regenerate/").status_code == 302
    assert "Une réponse est encore en cours" in shown(client, here)
    with member.acting():
        Run.objects.open().update(status="stopped")  # type: ignore[attr-defined]
        broken = Message.objects.filter(role="assistant").latest("pk")
        Message.objects.filter(pk=broken.pk).update(content="Half of ")
    page = shown(client, here)
    assert f'formaction="/messages/{broken.public_id}/continue/"' in page and ">Réessayer<" in page
    assert client.post(f"/messages/{broken.public_id}/continue/").status_code == 302
    answered(member, {"message": {"id": done.headers["Location"][-36:]}})
    assert "Half of" not in re.sub(r"(?s).*<div class=.column thread", "", shown(client, here))
    client.post(f"/messages/{question}/activate/")
    page = shown(client, here)
    assert "in other words" not in page and "1 / 2" in page
    client.post(f"/messages/{answer}/feedback/", {"rating": "down"})
    assert 'name="comment"' in shown(client, here)
    client.post(f"/messages/{answer}/feedback/", {"rating": "down", "reason": "wrong", "comment": "no"})
    assert ">no</textarea>" in shown(client, here)
    client.post(f"/messages/{answer}/feedback/", {"rating": ""})
    assert 'name="comment"' not in shown(client, here)


def test_answers_side_by_side_are_compared_until_one_is_kept(member: Actor, here: str) -> None:
    both = answered(member, post(member, f"conversations/{here}/messages/", {"content": "which?", "models": ["a", "b"]}))
    client = browser(member)

    page = shown(client, here)
    assert page.count("Garder cette réponse") == 2 and 'class="two"' in page
    client.post(f"/messages/{both['answers'][1]['id']}/activate/")

    page = shown(client, here)
    assert "Garder cette réponse" not in page and "2 / 2" in page and f'id="m-{both["answers"][1]["id"]}"' in page


def test_the_composer_keeps_its_choices_with_the_conversation(acme: House, member: Actor) -> None:
    client = browser(member)
    with member.acting():
        from documents.services import create_folder

        folder = str(create_folder(owner=member.user, name="Contracts").public_id)
    form = {"choice": "1", "model": "builtin", "folders": [folder]}

    made = client.post("/send/", {"content": "one", **form}).headers["Location"]

    assert f'value="{folder}" checked' in client.get(made).content.decode()
    with member.acting():
        row = Conversation.objects.get()
        Run.objects.update(status="completed")
    assert (row.model, row.folders) == ("builtin", [folder])
    client.post("/send/", {"content": "two", "conversation": str(row.public_id), "choice": "1", "model": ""})
    with member.acting():
        row.refresh_from_db()
    assert (row.model, row.folders) == ("", None)
    assert client.post("/send/", {"content": "x", "choice": "1", "folders": ["nothing"]}).status_code == 404
    others = browser(acme.person("member2"))
    assert others.post("/send/", {"content": "x", "choice": "1", "folders": [folder]}).status_code == 404
