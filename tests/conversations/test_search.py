"""Search in one's own conversations: both languages, accents, phrases, half words, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from assistants.conversations import services
from assistants.conversations.models import Conversation, Message, Run
from tests.people import Actor, House

BASE = "/api/v1/conversations/"


def say(actor: Actor, *contents: str, title: str = "") -> Conversation:
    with actor.acting():
        conversation = Conversation.objects.create(owner=actor.user, title=title)
        for content in contents:
            Message.objects.create(conversation=conversation, owner=actor.user, role="user", content=content)
        return conversation


def ask(actor: Actor, query: str, **more: Any) -> Any:
    return actor.api.get(f"{BASE}search/", {"q": query, **more})


def found(actor: Actor, query: str) -> list[str]:
    answer = ask(actor, query)
    assert answer.status_code == 200, answer.content
    return [row["text"] for row in answer.json()["results"]]


FRENCH = "Le préavis des contrats généraux est de trois mois, d'après l'œuvre citée."
ENGLISH = "The suppliers were delivering their quarterly reports."


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("preavis ", FRENCH),
        ("PRÉAVIS ", FRENCH),
        ("contrat général ", FRENCH),
        ("oeuvre ", FRENCH),
        ("supplier delivered ", ENGLISH),
        ("quarterly rep", ENGLISH),
        ("qu", ENGLISH),
        ('"trois mois"', FRENCH),
        ("le préavis du contrat ", FRENCH),
        ("Where are the suppliers ", ENGLISH),  # All words must be there, but small words of its language.
        ('"mois trois"', None),
        ("quarterl ", None),
        ("préavis supplier ", None),
    ],
)
def test_words_are_found_in_both_languages(acme: House, query: str, expected: str | None) -> None:
    member = acme.person("member")
    say(member, FRENCH, ENGLISH)

    assert found(member, query) == ([expected] if expected else [])


def test_a_result_shows_the_passage_with_its_words_marked(acme: House, django_assert_num_queries: Any) -> None:
    member = acme.person("member")
    long = "padding words here. " * 200 + "At last the élan 🦦 vital of the otters is described. " + "more of it. " * 200
    conversation = say(member, long, title="Otters")
    with django_assert_num_queries(4):  # The latest entries, the index, titles, messages.
        both = ask(member, "otter").json()["results"]
    [row] = ask(member, "elan vital ").json()["results"]

    assert [(one["title"], one["message"] is None) for one in both] == [("Otters", False), ("Otters", True)]
    assert both[1]["text"] == "Otters" and both[1]["highlights"] == [[0, 6]]
    assert row["conversation"] == str(conversation.public_id)
    assert len(row["text"]) <= 240
    assert [row["text"][start:end] for start, end in row["highlights"]] == ["élan", "vital"]


ANSWER = """## The notice

The **notice** of the [lease](https://example.test/cormorant) is *three months*:

| Contract | Notice |
|---|---:|
| Lease of the **heron** house | 3 |
"""


def test_an_answer_is_shown_without_signs_and_a_question_as_it_was_written(acme: House) -> None:
    member = acme.person("member")
    conversation = say(member, "What does **notice** mean in `heron`?")
    with member.acting():
        question = Message.objects.get(conversation=conversation)
        for text in (ANSWER, f"{ANSWER}\n{'padding **words** here.' * 90}\n\n- At last the **élan vital** of it\n"):
            Message.objects.create(conversation=conversation, owner=member.user, parent=question, role="assistant", content=text)

    rows = ask(member, "heron notice").json()["results"]
    [late] = ask(member, "elan vital ").json()["results"]
    addresses = found(member, "cormorant ")

    lease = "The notice\n\nThe notice of the lease is three months:\n\nContract  Notice\nLease of the heron house  3"
    assert rows[1]["text"].strip() == lease and rows[0]["text"].startswith(lease)
    assert [rows[1]["text"][a:b].lower() for a, b in rows[1]["highlights"]] == ["notice", "notice", "notice", "heron"]
    assert rows[2]["text"] == "What does **notice** mean in `heron`?"
    assert late["text"].endswith("padding words here.\n\nAt last the élan vital of it\n") and len(late["text"]) <= 240
    assert [late["text"][a:b] for a, b in late["highlights"]] == ["élan", "vital"]
    assert len(addresses) == 2 and all("[lease](https://example.test/cormorant)" in text for text in addresses)


def test_the_newest_come_first_and_a_frequent_word_fills_the_list(acme: House) -> None:
    member = acme.person("member")
    say(member, *[f"invoice number{number}" for number in range(60)])

    many, few = ask(member, "invoice ", limit=50).json()["results"], ask(member, "invoice ").json()["results"]

    assert [row["text"].split()[1] for row in many] == [f"number{n}" for n in range(59, 9, -1)]
    assert len(few) == 20


def test_nobody_finds_what_another_wrote(acme: House, globex: House) -> None:
    for actor, words in (
        (acme.person("member"), acme.canary),
        (acme.person("member2"), "CANARY-M2"),
        (globex.person("member"), globex.canary),
    ):
        say(actor, f"harvest festival {words}", title=f"harvest {words}")

    assert [acme.canary in text for text in found(acme.person("member"), "harvest ")] == [True, True]
    assert ["CANARY-M2" in text for text in found(acme.person("member2"), "harvest ")] == [True, True]
    assert [globex.canary in text for text in found(globex.person("member"), "harvest ")] == [True, True]
    for stranger in (acme.person("admin"), acme.person("auditor"), globex.person("admin")):
        assert found(stranger, "harvest ") == []


def test_an_answer_is_found_once_it_is_complete(acme: House) -> None:
    member = acme.person("member")
    with member.acting():
        started = services.start_run(owner=member.user, conversation=None, content="Where do walruses live?")
        Run.objects.filter(pk=started.run.pk).update(status="running", host="h")
        services.keep_run(run_id=started.run.pk, answer_id=started.answer.pk, host="h", text="On the ice fl")
        assert found(member, "ice ") == []
        services.finish_run(
            run_id=started.run.pk, answer_id=started.answer.pk, host="h", status="completed", text="On the ice floes."
        )

    assert found(member, "ice floe ") == ["On the ice floes."]
    assert found(member, "walrus ") == ["Where do walruses live?"] * 2  # The question, and the title that it gave.


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("   ", 400),
        ("\0", 400),
        ("?!… \" '", 400),
        ("x" * 10_000, 400),
        ("the of a", 200),
        ("le la les", 200),
        ("a\0b", 200),
        ("'; DROP TABLE x; -- ' | & ! ( <-> :* \\", 200),
        ("ﷺ ½ ㎏ ŉ", 200),
        ("\ud800 lone", 200),
        ('"unclosed', 200),
        ("w " * 200, 200),
        ("Привет", 200),
    ],
)
def test_whatever_is_asked_gets_an_answer_or_a_code(acme: House, query: str, status: int) -> None:
    member = acme.person("member")
    say(member, "Привет мир, a text.")

    answer = member.api.get(f"{BASE}search/?q={_quoted(query)}")

    assert answer.status_code == status, answer.content
    if status == 400:
        assert answer.json()["code"] == "invalid_query"
    elif query == "Привет":
        assert len(answer.json()["results"]) == 1


def _quoted(query: str) -> str:
    from urllib.parse import quote

    return quote(query, errors="surrogatepass")
