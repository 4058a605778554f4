"""Order by plain forms, without a script: everything can be done, and a way back is shown."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from assistants.conversations.models import Conversation, ConversationFolder
from tests.conversations.test_order import named
from tests.conversations.test_search import say
from tests.pages.test_pages import browser
from tests.people import House


def page(client: Client, path: str, **data: Any) -> str:
    answer = client.get(path, data)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_a_conversation_is_put_in_order_by_plain_forms(acme: House) -> None:
    member = acme.person("member")
    conversation = named(member, "Bail <3>")
    client, path = browser(member), f"/c/{conversation.public_id}/"
    form = {"do": "save", "title": " Bail  2027 ", "folder": "", "new_folder": "Immeubles", "tags": "urgent, à relire,"}

    menu = page(client, f"{path}menu/")
    saved = client.post(f"{path}organise/", form)
    client.post(f"{path}organise/", {"do": "pin"})
    with member.acting():
        row = Conversation.objects.select_related("folder").get(pk=conversation.pk)
        assert (row.title, str(row.folder), row.pinned_at is not None) == ("Bail 2027", "Immeubles", True)
        assert {tag.name for tag in row.tags.all()} == {"urgent", "à relire"}
        folder = ConversationFolder.objects.get()
    start = page(client, "/")
    client.post(f"{path}organise/", {"do": "archive"})

    assert "Bail &lt;3&gt;" in menu and "Options de Bail" in menu
    assert (saved.status_code, saved.headers["Location"]) == (302, path)
    assert start.index("Épinglées") < start.index("Bail 2027") < start.index("Immeubles")
    assert "Bail 2027" not in page(client, "/") and "Bail 2027" not in page(client, "/conversations/")
    assert "Bail 2027" in page(client, "/conversations/", archived="true")
    client.post(f"/conversations/folder/{folder.public_id}/", {"name": "Baux"})
    client.post(f"{path}organise/", {"do": "unarchive"})
    assert "Baux" in page(client, "/conversations/", folder=folder.public_id)
    client.post(f"/conversations/folder/{folder.public_id}/", {"do": "delete"})
    assert "Bail 2027" in page(client, "/conversations/")
    assert client.get("/conversations/", {"folder": "x"}).status_code == 404
    for stranger in (browser(acme.person("member2")), browser(acme.person("admin"))):
        assert stranger.get(f"{path}menu/").status_code == stranger.post(f"{path}organise/", form).status_code == 404


def test_deleting_leaves_a_way_back_and_the_bin_is_emptied(acme: House) -> None:
    member = acme.person("member")
    conversation = named(member, "Gone")
    client, path = browser(member), f"/c/{conversation.public_id}/"

    deleted = client.post(f"{path}delete/", follow=True).content.decode()
    binned = page(client, "/conversations/bin/")
    undone = client.post(f"{path}restore/", follow=True).content.decode()
    client.post(f"{path}delete/", follow=True)
    client.post("/conversations/bin/empty/")

    assert f'action="{path}restore/"' in deleted.split('class="toast"')[1] and "Annuler" in deleted
    assert "Gone" in binned and "30 jours" in binned
    assert "Gone" in undone and "rétablie" in undone
    with member.acting():
        assert not Conversation.objects.exists()


def test_words_are_found_on_a_page_and_marked(acme: House) -> None:
    member = acme.person("member")
    conversation = say(member, "Le préavis <b> est de trois mois.", title="Bail")
    client = browser(member)

    found = page(client, "/conversations/", q="PREAVIS")

    assert "<mark>préavis</mark> &lt;b&gt; est" in found
    assert re.search(rf'href="/c/{conversation.public_id}/#m-[0-9a-f-]+"', found)
    assert "Rien trouvé" in page(client, "/conversations/", q="girafe")
    assert 'role="alert"' in page(client, "/conversations/", q="x" * 550)
    assert "Le préavis" not in page(browser(acme.person("member2")), "/conversations/", q="preavis")


def test_a_temporary_chat_begins_and_ends_by_plain_forms(acme: House) -> None:
    member = acme.person("member")
    client = browser(member)

    begun = client.post("/c/temporary/")
    shown = page(client, begun.headers["Location"])
    ended = client.post(f"{begun.headers['Location']}delete/")

    assert "Conversation éphémère" in shown and "Terminer et effacer" in shown
    assert begun.headers["Location"] not in page(client, "/")
    assert ended.status_code == 302
    assert client.get(begun.headers["Location"]).status_code == 404


def test_a_draft_waits_on_every_device_until_it_is_sent(acme: House) -> None:
    member = acme.person("member")
    conversation = named(member, "Talk")
    draft = f"/api/v1/conversations/{conversation.public_id}/draft/"
    for path, text in (("/api/v1/drafts/new/", "A new idea"), (draft, "Half a question")):
        kept = member.api.put(path, {"text": "first"}, content_type="application/json")
        assert (kept.status_code, kept.json()["text"]) == (200, "first")
        member.api.put(path, {"text": text}, content_type="application/json")
        assert acme.person("member2").api.get(path).json().get("text", "") == ""
    client = browser(member)

    assert ">A new idea</textarea>" in page(client, "/")
    assert ">Half a question</textarea>" in page(client, f"/c/{conversation.public_id}/")
    client.post("/send/", {"conversation": str(conversation.public_id), "content": "Half a question, whole"})

    assert member.api.get(draft).json() == {"text": "", "updated_at": None}
    assert member.api.get("/api/v1/drafts/new/").json()["text"] == "A new idea"
    assert member.api.delete("/api/v1/drafts/new/").status_code == 204
    assert member.api.put(draft, {"text": "x" * 60_001}, content_type="application/json").status_code == 400
    assert member.api.put(draft, {"text": "  "}, content_type="application/json").json()["text"] == ""


def test_the_lists_take_few_queries(acme: House, django_assert_max_num_queries: Any) -> None:
    member = acme.person("member")
    for number in range(5):
        named(member, f"Talk {number}")
    client = browser(member)
    page(client, "/")

    for path, most in (
        ("/conversations/", 8),
        ("/conversations/bin/", 6),
        ("/conversations/?q=text", 8),
        ("/conversations/sidebar/", 4),
    ):
        with django_assert_max_num_queries(most):  # The sidebar's two; rows with folders, their tags, how many; all tags.
            page(client, path)
