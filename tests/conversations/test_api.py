"""What the lists and the chat page cost, counted; pages and renames of one's own conversations."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from django.test import Client

from assistants.conversations.models import Conversation, Message
from documents.services import create_folder
from tests.people import PASSWORD, Actor, House


def talk(actor: Actor, messages: int) -> Conversation:
    """A conversation of so many messages, answers without runs."""
    with actor.acting():
        conversation = Conversation.objects.create(owner=actor.user, title="Long")
        parent = None
        for number in range(messages):
            role = Message.Role.ASSISTANT if number % 2 else Message.Role.USER
            parent = Message.objects.create(
                conversation=conversation, owner=actor.user, parent=parent, role=role, content=f"text {number}"
            )
        return conversation


def test_lists_take_few_queries(acme: House, django_assert_num_queries: Any) -> None:
    member = acme.person("member")
    conversation = talk(member, 60)
    member.api.get("/api/v1/me/")  # Signs in, in another thread.

    with django_assert_num_queries(2):  # The rows with their assistants and folders; their tags.
        listed = member.api.get("/api/v1/conversations/").json()["results"]
    # The conversation; the keys of its tree; the page's messages with parents and runs; what was thought of them; what is attached.
    with django_assert_num_queries(5):
        messages = member.api.get(f"/api/v1/conversations/{conversation.public_id}/messages/").json()["results"]

    assert [row["title"] for row in listed] == ["Long"]
    assert [row["content"] for row in messages] == [f"text {number}" for number in range(60)]
    assert all(after["parent"] == before["id"] for before, after in pairwise(messages))


def test_the_page_of_a_long_conversation_takes_few_queries(acme: House, django_assert_max_num_queries: Any) -> None:
    member = acme.person("member")
    conversation = talk(member, 200)
    browser = Client(headers={"host": acme.host})
    browser.post("/login/", {"email": member.email, "password": PASSWORD})

    browser.get("/")  # What the gateway keeps in memory for some seconds is asked for here.

    # Session and person; conversation, its tree, messages with runs, feedback; sidebar's two, draft, assistant, folders, models.
    with django_assert_max_num_queries(12):
        page = browser.get(f"/c/{conversation.public_id}/")

    assert page.status_code == 200
    assert "text 199" in page.content.decode()


def test_messages_come_in_pages_oldest_first(acme: House) -> None:
    member = acme.person("member")
    conversation = talk(member, 7)
    path = f"/api/v1/conversations/{conversation.public_id}/messages/?limit=3"

    seen: list[str] = []
    while path:
        page = member.api.get(path).json()
        seen += [row["content"] for row in page["results"]]
        path = page["next"]

    assert seen == [f"text {number}" for number in range(7)]


def test_a_conversation_is_renamed_and_removed_by_its_owner_only(acme: House, globex: House) -> None:
    member = acme.person("member")
    conversation = talk(member, 2)
    path = f"/api/v1/conversations/{conversation.public_id}/"
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        assert stranger.api.patch(path, {"title": "Mine"}, content_type="application/json").status_code == 404
        assert stranger.api.delete(path).status_code == 404

    renamed = member.api.patch(path, {"title": "Better", "owner": 1, "id": "x"}, content_type="application/json")
    removed = member.api.delete(path)

    assert renamed.json()["title"] == "Better"
    assert renamed.json()["id"] == str(conversation.public_id)
    assert removed.status_code == 204
    assert member.api.get(path).status_code == 404


def test_anothers_folder_is_no_folder(acme: House, globex: House) -> None:
    member = acme.person("member")
    conversation = talk(member, 1)
    path = f"/api/v1/conversations/{conversation.public_id}/messages/"
    for stranger in (acme.person("member2"), globex.person("member")):
        with stranger.acting():
            folder = create_folder(owner=stranger.user, name="Private")
        body = {"content": "x", "folders": [str(folder.public_id)]}
        refused = member.api.post(path, body, content_type="application/json")
        assert (refused.status_code, refused.json()["field"]) == (404, "folders")
    with member.acting():
        assert Message.objects.filter(conversation=conversation).count() == 1


def test_bad_bodies_get_a_code(acme: House) -> None:
    member = acme.person("member")
    conversation = talk(member, 1)
    path = f"/api/v1/conversations/{conversation.public_id}/messages/"

    def post(body: Any, kind: str = "application/json") -> tuple[int, str]:
        answer = member.api.post(path, body, content_type=kind)
        return answer.status_code, answer.json()["code"]

    assert post({"content": "  "}) == (400, "empty_message")
    assert post({"content": "x" * 60_001}) == (413, "message_too_long")
    assert post({}) == (400, "invalid")
    nobody = "01930000-0000-7000-8000-00000000ffff"
    assert post({"content": "x", "assistant": nobody}) == (404, "not_found")
    assert post({"content": "x", "folders": [nobody]}) == (404, "not_found")
    assert post({"content": ["a"]}) == (400, "invalid")
    assert post("{broken") == (400, "bad_request")
    assert post("text", "text/plain") == (415, "unsupported_media_type")
