"""The tree of messages from outside: edited, answered again, walked, gone on with; and nobody else's."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assistants.conversations import services
from assistants.conversations.models import Feedback, Message, Run
from documents.models import Folder
from documents.services import create_folder
from tests.conftest import Live
from tests.conversations.test_api import talk
from tests.people import Actor, House
from tests.wire import ask, client, new_conversation, socket, sse, text_of

BASE = "/api/v1"


def post(actor: Actor, path: str, body: dict[str, Any] | None = None, key: str = "", status: int = 202) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    answer = actor.api.post(f"{BASE}/{path}", body or {}, content_type="application/json", headers=headers)
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def answered(actor: Actor, started: dict[str, Any], status: str = "completed", text: str = "an answer") -> dict[str, Any]:
    """The turn with its runs over: no host works in this process."""
    with actor.acting():
        runs = Run.objects.filter(question__public_id=started["message"]["id"]).open()  # type: ignore[attr-defined]
        for run in runs:
            Message.objects.filter(pk=run.answer_id).update(content=text)
            Run.objects.filter(pk=run.pk).update(status=status)
    return started


def turn(actor: Actor, conversation: str, content: str, **body: Any) -> dict[str, Any]:
    return answered(actor, post(actor, f"conversations/{conversation}/messages/", {"content": content, **body}))


def branch(actor: Actor, conversation: str) -> list[dict[str, Any]]:
    return list(actor.api.get(f"{BASE}/conversations/{conversation}/messages/").json()["results"])


def texts(actor: Actor, conversation: str) -> list[str]:
    return [row["content"] for row in branch(actor, conversation)]


@pytest.fixture
def member(acme: House) -> Actor:
    return acme.person("member")


@pytest.fixture
def here(member: Actor) -> str:
    return str(post(member, "conversations/", status=201)["id"])


def test_an_edited_question_stands_beside_the_old_one_and_both_branches_are_read(member: Actor, here: str) -> None:
    first, second = turn(member, here, "one"), turn(member, here, "two")

    edited = post(member, f"messages/{first['message']['id']}/edit/", {"content": "one, in other words"})

    assert edited["conversation"] == here
    assert {edited[name]["id"] for name in ("message", "answer")}.isdisjoint({first["message"]["id"], first["answer"]["id"]})
    assert texts(member, here) == ["one, in other words", ""]
    beside = [first["message"]["id"], edited["message"]["id"]]
    assert [row["siblings"] for row in branch(member, here)] == [beside, [edited["answer"]["id"]]]
    old = member.api.get(f"{BASE}/messages/{second['message']['id']}/").json()
    assert (old["content"], old["parent"], old["siblings"]) == ("two", first["answer"]["id"], [old["id"]])
    answered(member, edited)
    post(member, f"messages/{first['message']['id']}/activate/", status=200)
    assert texts(member, here) == ["one", "an answer", "two", "an answer"]
    assert branch(member, here)[0]["siblings"] == beside
    third = turn(member, here, "three")  # Goes on where the person is, not where the newest message was.
    assert texts(member, here)[-2:] == ["three", "an answer"] and len(branch(member, here)) == 6
    assert branch(member, here)[4]["parent"] == second["answer"]["id"]
    assert post(member, f"messages/{third['answer']['id']}/edit/", {"content": "x"}, status=409)["code"] == "not_a_question"


def test_case_3_another_branch_names_nothing_of_others(acme: House, globex: House, member: Actor, here: str) -> None:
    question = turn(member, here, "one")["message"]["id"]
    with acme.person("member2").acting():
        folder = create_folder(owner=acme.person("member2").user, name="Private")
    nobody = {"content": "x", "assistant": "01930000-0000-7000-8000-00000000ffff"}
    for what, body in (("edit", {"content": "x", "folders": [str(folder.public_id)]}), ("edit", nobody)):
        assert post(member, f"messages/{question}/{what}/", body, status=404)["code"] == "not_found"
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        assert stranger.api.get(f"{BASE}/messages/{question}/").status_code == 404
        for what in ("edit", "regenerate", "activate", "keep"):
            assert post(stranger, f"messages/{question}/{what}/", {"content": "x"}, status=404)["code"] == "not_found"
    assert texts(member, here) == ["one", "an answer"]
    assert post(member, f"messages/{question}/edit/", {"content": "x"})["conversation"] == here


def test_an_answer_is_given_again_beside_the_old_one(member: Actor, here: str) -> None:
    first = turn(member, here, "one", model="openai/large")

    again = post(member, f"messages/{first['answer']['id']}/regenerate/")
    assert post(member, f"messages/{first['answer']['id']}/regenerate/", status=409)["code"] == "run_in_progress"
    answered(member, again, text="another answer")
    third = answered(member, post(member, f"messages/{first['message']['id']}/regenerate/", {"model": "openai/small"}))

    assert again["message"] == third["message"] == first["message"]
    rows = branch(member, here)
    assert [row["id"] for row in rows] == [first["message"]["id"], third["answer"]["id"]]
    assert rows[1]["siblings"] == [turn["answer"]["id"] for turn in (first, again, third)]
    post(member, f"messages/{again['answer']['id']}/activate/", status=200)
    assert texts(member, here) == ["one", "another answer"]
    with member.acting():
        asked = Run.objects.filter(conversation__public_id=here).order_by("pk").values_list("request__model", flat=True)
        assert list(asked) == ["openai/large", "openai/large", "openai/small"]


def test_a_key_gives_its_turn_again_and_no_other(member: Actor, here: str, owner: psycopg.Connection) -> None:
    first = turn(member, here, "one")
    edit, again = f"messages/{first['message']['id']}/edit/", f"messages/{first['answer']['id']}/regenerate/"
    edited = answered(member, post(member, edit, {"content": "two"}, key="e"))
    anew = answered(member, post(member, again, {}, key="r"), status="stopped", text="half")
    on = f"runs/{anew['run']['id']}/continue/"
    more = answered(member, post(member, on, {}, key="c"))
    count = f"SELECT count(*) FROM {member.house.schema}.conversations_message"
    before = owner.execute(count).fetchone()

    assert post(member, edit, {"content": "two"}, key="e") == edited
    assert post(member, again, {}, key="r") == anew
    assert post(member, on, {}, key="c") == more
    for path, body, key in (
        (edit, {"content": "three"}, "e"),
        (edit, {"content": "two", "model": "other"}, "e"),
        (again, {"model": "other"}, "r"),
        (again, {}, "c"),
        (f"conversations/{here}/messages/", {"content": "two"}, "e"),
    ):
        assert post(member, path, body, key=key, status=409)["code"] == "key_reused"
    assert owner.execute(count).fetchone() == before


def test_a_turn_looks_back_along_its_own_branch_alone(member: Actor, here: str) -> None:
    first = turn(member, here, "the beginning")
    for number in range(60):  # More than a turn looks back on lies between the two messages of the branch.
        answered(member, post(member, f"messages/{first['message']['id']}/regenerate/"), text=f"version {number}")
    post(member, f"messages/{first['answer']['id']}/activate/", status=200)

    started = post(member, f"conversations/{here}/messages/", {"content": "and then?"})

    with member.acting():
        run = Run.objects.get(public_id=started["run"]["id"])
        claimed = services.claim_run(run_id=run.pk, host="test")
    assert claimed is not None
    assert [message.content for message in claimed.turn.history] == ["the beginning", "an answer"]


def test_a_broken_answer_is_gone_on_with_once(member: Actor, here: str) -> None:
    whole = turn(member, here, "one")
    assert post(member, f"runs/{whole['run']['id']}/continue/", status=409)["code"] == "not_continuable"
    for status in ("stopped", "interrupted", "failed"):
        broken = answered(member, post(member, f"messages/{whole['message']['id']}/regenerate/"), status, "Half of ")

        more = post(member, f"runs/{broken['run']['id']}/continue/")

        assert more["message"] == whole["message"]
        shown = branch(member, here)[1]
        assert (shown["id"], shown["content"]) == (more["answer"]["id"], "Half of ")
        assert broken["answer"]["id"] not in shown["siblings"] and more["answer"]["id"] in shown["siblings"]
        assert member.api.get(f"{BASE}/messages/{broken['answer']['id']}/").json()["content"] == "Half of "
        answered(member, more, text="Half of it all.")
        assert post(member, f"runs/{broken['run']['id']}/continue/", status=409)["code"] == "not_continuable"
    empty = answered(member, post(member, f"messages/{whole['message']['id']}/regenerate/"), "failed", "")
    assert post(member, f"runs/{empty['run']['id']}/continue/", status=409)["code"] == "not_continuable"


def test_what_was_asked_after_a_broken_answer_stays_within_reach(member: Actor, here: str) -> None:
    broken = answered(member, post(member, f"conversations/{here}/messages/", {"content": "one"}), "stopped", "Half")
    turn(member, here, "two")

    more = answered(member, post(member, f"runs/{broken['run']['id']}/continue/"), text="Half and whole")

    assert branch(member, here)[1]["siblings"] == [broken["answer"]["id"], more["answer"]["id"]]
    post(member, f"messages/{broken['answer']['id']}/activate/", status=200)
    assert texts(member, here) == ["one", "Half", "two", "an answer"]


async def test_the_deltas_of_an_answer_that_went_on_are_its_whole_text(live: Live, acme: House) -> None:
    async with client(live, acme.person("member")) as http:
        started = await ask(http, "Bonjour, raconte-moi tout")
        broken = started["run"]["id"]
        async with http.stream("GET", f"{BASE}/runs/{broken}/events/", headers={"Accept": "text/event-stream"}) as stream:
            async for line in stream.aiter_lines():
                if '"delta"' in line:
                    await http.post(f"{BASE}/runs/{broken}/stop/")
                    break
        shown = await sse(http, f"{BASE}/runs/{broken}/events/")
        assert shown[-1]["type"] == "run.stopped"

        more = (await http.post(f"{BASE}/runs/{broken}/continue/", json={})).json()
        events = await sse(http, f"{BASE}/runs/{more['run']['id']}/events/")
        rows = (await http.get(f"{BASE}/conversations/{started['conversation']}/messages/")).json()["results"]

    deltas = [event["text"] for event in events if event["type"] == "delta"]
    assert deltas[0] == text_of(shown) != ""
    assert len("".join(deltas)) > len(deltas[0])
    assert rows[1]["content"] == "".join(deltas)
    assert rows[1]["content"].count("modèle de démonstration intégré") == 1
    assert events[-1]["type"] == "run.completed"


def test_side_by_side_is_one_question_until_one_answer_is_kept(member: Actor, here: str) -> None:
    path = f"conversations/{here}/messages/"
    for bad in (["a"], ["a", "a"]):
        assert post(member, path, {"content": "which?", "models": bad}, status=400)["code"] == "models_invalid"

    started = post(member, path, {"content": "which?", "models": ["a", "b", "c"]}, key="three")

    assert (started["answers"][0], started["runs"][0]) == (started["answer"], started["run"])
    assert len({row["id"] for row in started["answers"]}) == len({row["id"] for row in started["runs"]}) == 3
    assert post(member, path, {"content": "which?", "models": ["a", "b", "c"]}, key="three") == started
    assert post(member, path, {"content": "which?", "models": ["a", "b"]}, key="three", status=409)["code"] == "key_reused"
    assert post(member, path, {"content": "next"}, status=409)["code"] == "run_in_progress"
    answered(member, started)
    ids = [row["id"] for row in started["answers"]]
    assert [row["id"] for row in branch(member, here)] == [started["message"]["id"], ids[0]]  # The first by default.
    assert post(member, f"messages/{started['message']['id']}/keep/", status=409)["code"] == "not_an_answer"
    post(member, f"messages/{ids[1]}/keep/", status=200)
    following = turn(member, here, "next")
    rows = branch(member, here)
    assert [row["id"] for row in rows][1:3] == [ids[1], following["message"]["id"]]
    assert rows[1]["siblings"] == ids


async def test_side_by_side_streams_both_to_their_ends(live: Live, acme: House) -> None:
    both = {"content": "Bonjour", "models": ["builtin", "builtin/none"]}
    async with client(live, acme.person("member")) as http:
        path = f"{BASE}/conversations/{await new_conversation(http)}/messages/"
        async with http.stream("POST", path, json=both, headers={"Accept": "text/event-stream"}) as stream:
            lines = [line async for line in stream.aiter_lines() if line.startswith("data: ")]
    async with socket(live, acme.person("member")) as page:
        await page.send(type="message.send", key="k", **both)
        accepted = await page.receive()
        frames = await page.until_final() + await page.until_final()

    assert sum('"run.completed"' in line for line in lines) == sum('"run.failed"' in line for line in lines) == 1
    assert {frame["run"] for frame in frames} == {run["id"] for run in accepted["runs"]}


def test_a_conversation_has_its_own_model_and_folders(acme: House, globex: House, member: Actor, here: str) -> None:
    with member.acting():
        kept, gone = (create_folder(owner=member.user, name=name) for name in ("Kept", "Gone"))
    with globex.person("member").acting():
        theirs = create_folder(owner=globex.person("member").user, name="Theirs")
    path = f"{BASE}/conversations/{here}/"
    chosen = {"model": "openai/large", "folders": [str(kept.public_id), str(gone.public_id)]}

    def patch(body: dict[str, Any]) -> Any:
        return member.api.patch(path, body, content_type="application/json")

    assert patch({"folders": [str(theirs.public_id)]}).status_code == 404
    assert patch(chosen).json().items() >= chosen.items()
    assert patch({"title": "Other"}).json().items() >= chosen.items()

    def claimed(**body: Any) -> Any:
        started = post(member, f"conversations/{here}/messages/", {"content": "x", **body})
        with member.acting():
            found = services.claim_run(run_id=Run.objects.get(public_id=started["run"]["id"]).pk, host="test")
        answered(member, started)
        assert found is not None
        return found.turn

    with member.acting():
        Folder.objects.filter(pk=gone.pk).delete()
    own = claimed()
    asked = claimed(model="openai/small", folders=[])
    assert (own.model, own.folders) == ("openai/large", (kept.public_id,))
    assert (asked.model, asked.folders) == ("openai/small", ())
    with member.acting():
        Folder.objects.filter(pk=kept.pk).delete()
    assert claimed().folders is None
    assert patch({"model": "", "folders": None}).json()["folders"] is None
    assert claimed().model is None


def test_an_answer_is_rated_once_and_nobody_else_reads_it(acme: House, globex: House, member: Actor, here: str) -> None:
    started = turn(member, here, "one")
    path = f"messages/{started['answer']['id']}/feedback/"
    told = {"rating": "down", "reason": "not_sourced", "comment": f"where from? {acme.canary}"}

    assert post(member, path, {"rating": "up"}, status=200)["rating"] == "up"
    assert post(member, path, told, status=200) == told
    assert branch(member, here)[1]["feedback"] == told
    assert post(member, f"messages/{started['message']['id']}/feedback/", told, status=409)["code"] == "not_an_answer"
    assert post(member, path, {"rating": "so-so"}, status=400)["code"] == "invalid"
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        assert post(stranger, path, told, status=404)["code"] == "not_found"
        assert stranger.api.delete(f"{BASE}/{path}").status_code == 404
        with stranger.acting():
            assert not Feedback.objects.exists()
    assert member.api.delete(f"{BASE}/{path}").status_code == 204
    assert branch(member, here)[1]["feedback"] is None


def test_a_branch_of_thousands_is_read_in_windows(member: Actor) -> None:
    conversation = talk(member, 2)
    with member.acting():
        last = Message.objects.filter(conversation=conversation).last()
        assert last
        rows = [Message(conversation=conversation, owner=member.user, role="user", content=f"text {n}") for n in range(2, 3000)]
        Message.objects.bulk_create(rows)
        keys = [last.pk, *(row.pk for row in rows)]
        for row, parent in zip(rows, keys[:-1], strict=True):
            row.parent_id = parent
        Message.objects.bulk_update(rows, ["parent"], batch_size=1000)
    path: str | None = f"{BASE}/conversations/{conversation.public_id}/messages/?limit=500"
    member.api.get(f"{BASE}/me/")
    seen: list[str] = []
    began, pages = time.perf_counter(), 0
    while path:
        with CaptureQueriesContext(connection) as queries:
            page = member.api.get(path).json()
        # The conversation; keys; the page's rows with parents and runs; what was thought of them; what is attached.
        assert len(queries) <= 5
        seen += [row["content"] for row in page["results"]]
        previous, path, pages = page["previous"], page["next"], pages + 1

    assert seen == [f"text {number}" for number in range(3000)]
    assert (time.perf_counter() - began) / pages < 1.0
    back = member.api.get(previous).json()["results"]
    assert [row["content"] for row in back] == [f"text {number}" for number in range(2000, 2500)]
