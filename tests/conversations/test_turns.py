"""A turn from outside: sent by socket or HTTP, followed from any number, stopped, never lost, nobody else's."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import psycopg
import pytest
import websockets

from tests.conftest import Live
from tests.people import House
from tests.wire import FINAL, ask, client, new_conversation, socket, sse, text_of


async def test_a_message_is_answered_over_the_socket(live: Live, acme: House) -> None:
    async with socket(live, acme.person("member")) as page:
        await page.send(type="message.send", content="Bonjour, que sais-tu faire ?", key="k1")
        frames = await page.until_final()

    accepted, *events = frames
    assert accepted["type"] == "message.accepted"
    assert accepted["key"] == "k1"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "run.started"
    assert kinds.index("routing") < kinds.index("delta")
    assert kinds[-1] == "run.completed"
    assert sum(kind in FINAL for kind in kinds) == 1
    assert events[-1]["message"] == accepted["answer"]["id"]


async def test_the_deltas_are_the_stored_text_byte_for_byte(live: Live, acme: House) -> None:
    async with client(live, acme.person("member")) as http:
        started = await ask(http, "Bonjour !")
        events = await sse(http, f"/api/v1/runs/{started['run']['id']}/events/")
        messages = (await http.get(f"/api/v1/conversations/{started['conversation']}/messages/")).json()["results"]

    assert messages[1]["content"] == text_of(events) != ""
    assert messages[1]["run"] == started["run"]["id"]
    assert messages[1]["parent"] == messages[0]["id"] == started["message"]["id"]


async def test_a_post_that_accepts_events_streams_the_turn(live: Live, acme: House) -> None:
    async with client(live, acme.person("member")) as http:
        conversation = await new_conversation(http)
        path = f"/api/v1/conversations/{conversation}/messages/"
        async with http.stream("POST", path, json={"content": "Bonjour"}, headers={"Accept": "text/event-stream"}) as stream:
            assert stream.status_code == 200
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            data = [json.loads(line[6:]) async for line in stream.aiter_lines() if line.startswith("data: ")]

    assert set(data[0]) == {"conversation", "message", "answer", "run"}
    assert data[1]["type"] == "run.started"
    assert data[-1]["type"] == "run.completed"


async def test_a_follower_that_reconnects_loses_and_repeats_nothing(live: Live, acme: House) -> None:
    member = acme.person("member")
    async with socket(live, member) as page:
        await page.send(type="message.send", content="Bonjour", key="again")
        run = (await page.receive())["run"]["id"]
    seen: list[dict[str, object]] = []
    for _reload in range(20):
        async with socket(live, member) as page:
            await page.send(type="run.follow", run=run, after=len(seen))
            seen.append(await page.receive())
        if seen[-1]["type"] in FINAL:
            break
    else:
        async with socket(live, member) as page:
            await page.send(type="run.follow", run=run, after=len(seen))
            seen += await page.until_final()

    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    async with client(live, member) as http:
        assert await sse(http, f"/api/v1/runs/{run}/events/") == seen


async def test_a_finished_run_replays_without_redis_as_one_delta(live: Live, acme: House) -> None:
    from core import streams

    async with client(live, acme.person("member")) as http:
        started = await ask(http, "Bonjour")
        run = started["run"]["id"]
        events = await sse(http, f"/api/v1/runs/{run}/events/")
        await streams.client().delete(f"run:{acme.schema}:{run}")
        later = await sse(http, f"/api/v1/runs/{run}/events/")
        resumed = await sse(http, f"/api/v1/runs/{run}/events/", after=99)

    assert [event["type"] for event in later] == ["delta", "run.completed"]
    assert [(event["seq"], event["type"]) for event in resumed] == [(100, "run.completed")]  # Who waits is let go.
    assert text_of(later) == text_of(events)


async def test_a_failed_run_says_why_in_the_language_of_its_person(live: Live, acme: House, globex: House) -> None:
    from core import streams

    told = []
    for house in (acme, globex):  # People of the one read French, of the other English.
        member = house.person("member")
        async with socket(live, member) as page, client(live, member) as http:
            await page.send(type="message.send", content="Bonjour", model="nowhere/none")
            frames = await page.until_final()
            run = (await ask(http, "Bonjour", model="nowhere/none"))["run"]["id"]
            events = await sse(http, f"/api/v1/runs/{run}/events/")
            await streams.client().delete(f"run:{house.schema}:{run}")
            later = await sse(http, f"/api/v1/runs/{run}/events/")
            await page.send(type="run.follow", run=run)
            followed = await page.receive()
            await page.send(type="message.send", content="x" * 60_001)
            told.append([(await page.receive())["detail"]])  # Put into words in a thread.
        finals = (frames[-1], events[-1], later[-1], followed)
        assert {(final["type"], final["code"]) for final in finals} == {("run.failed", "no_permitted_model")}
        told[-1] += [final["detail"] for final in finals]

    stored = "Aucun modèle autorisé ne répond. Votre message n’a pas été envoyé ailleurs."  # What is left of the reason.
    long = "Un message peut avoir 60000 caractères ; celui-ci en a 60001."
    assert told[0] == [long, *["Il n’y a pas de modèle « nowhere/none » ici."] * 2, *[stored] * 2]
    stored = "No model that may answer this is available. Nothing was sent elsewhere."
    long = "A message may have 60000 characters; this one has 60001."
    assert told[1] == [long, *["There is no model “nowhere/none” here."] * 2, *[stored] * 2]


async def test_stop_keeps_what_was_shown(live: Live, acme: House) -> None:
    async with client(live, acme.person("member")) as http:
        started = await ask(http, "Bonjour, raconte")
        run = started["run"]["id"]
        stopped = await http.post(f"/api/v1/runs/{run}/stop/")
        events = await sse(http, f"/api/v1/runs/{run}/events/")
        answer = (await http.get(f"/api/v1/conversations/{started['conversation']}/messages/")).json()["results"][1]

    assert stopped.status_code == 202
    assert events[-1]["type"] in {"run.stopped", "run.completed"}
    assert answer["content"] == text_of(events)


async def test_the_same_key_sent_ten_times_at_once_is_one_message(live: Live, acme: House, owner: psycopg.Connection) -> None:
    async with client(live, acme.person("member")) as http:
        conversation = await new_conversation(http)
        path = f"/api/v1/conversations/{conversation}/messages/"
        answers = await asyncio.gather(
            *(http.post(path, json={"content": "Une seule fois"}, headers={"Idempotency-Key": "once"}) for _ in range(10))
        )
        other = await http.post(path, json={"content": "Autre chose"}, headers={"Idempotency-Key": "once"})
        await sse(http, f"/api/v1/runs/{answers[0].json()['run']['id']}/events/")

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert owner.execute(f"SELECT count(*) FROM {acme.schema}.conversations_message").fetchone() == (2,)


async def test_what_is_anothers_does_not_exist(live: Live, acme: House, globex: House) -> None:
    async with client(live, acme.person("member")) as http:
        started = await ask(http, f"Secret {acme.canary}")
        run, conversation = started["run"]["id"], started["conversation"]
        assert (await http.get(f"/api/v1/runs/{run}/")).status_code == 200
        await sse(http, f"/api/v1/runs/{run}/events/")
    nobody = str(uuid.uuid4())
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        async with client(live, stranger) as http:
            for path, unknown in (
                (f"/api/v1/runs/{run}/", f"/api/v1/runs/{nobody}/"),
                (f"/api/v1/runs/{run}/events/", f"/api/v1/runs/{nobody}/events/"),
                (f"/api/v1/conversations/{conversation}/", f"/api/v1/conversations/{nobody}/"),
                (f"/api/v1/conversations/{conversation}/messages/", f"/api/v1/conversations/{nobody}/messages/"),
            ):
                refused, missing = await http.get(path), await http.get(unknown)
                assert refused.status_code == missing.status_code == 404
                assert refused.json()["code"] == "not_found"
                assert refused.content == missing.content
            sent = await http.post(f"/api/v1/conversations/{conversation}/messages/", json={"content": "planted"})
            assert sent.status_code == 404
            assert (await http.post(f"/api/v1/runs/{run}/stop/")).status_code == 404
        async with socket(live, stranger) as page:
            await page.send(type="run.follow", run=run, after=0)
            assert (await page.receive())["code"] == "not_found"
            await page.send(type="message.send", conversation=conversation, content="planted", key="x")
            assert (await page.receive()) == {
                "type": "error",
                "code": "not_found",
                "detail": "There is no such conversation." if stranger.house is globex else "Cette conversation n’existe pas.",
                "key": "x",
            }


async def test_a_token_of_one_tenant_is_nothing_at_the_other(live: Live, acme: House, globex: House) -> None:
    token = {"Authorization": acme.person("member").headers["Authorization"]}
    async with client(live) as http:
        at_home = await http.get("/api/v1/me/", headers={**token, "Host": acme.host})
        abroad = await http.get("/api/v1/me/", headers={**token, "Host": globex.host})

    assert at_home.json()["email"] == "member@acme.test"
    assert (abroad.status_code, abroad.json()["code"]) == (401, "invalid_token")
    assert "www-authenticate" in abroad.headers


async def test_handshakes_without_a_right_are_refused(live: Live, acme: House, globex: House) -> None:
    async with client(live, acme.person("member")) as http:
        ticket = (await http.post("/api/v1/auth/ws-ticket/")).json()["ticket"]

    async def attempt(host: str, query: str = "", **headers: str) -> str:
        try:
            async with websockets.connect(
                f"ws://{host}:{live.port}/ws/{query}", host="127.0.0.1", port=live.port, additional_headers=headers
            ):
                return "open"
        except websockets.InvalidStatus as error:
            return str(error.response.status_code)

    assert await attempt(globex.host, f"?ticket={ticket}") == "403"
    async with client(live, acme.person("member")) as http:
        ticket = (await http.post("/api/v1/auth/ws-ticket/")).json()["ticket"]
    assert await attempt(acme.host, f"?ticket={ticket}") == "open"
    assert await attempt(acme.host, f"?ticket={ticket}") == "403"
    assert await attempt(acme.host) == "403"
    assert await attempt(acme.host, Origin=f"http://{globex.host}:{live.port}") == "403"
    assert await attempt(acme.host, Origin=f"http://{acme.host}:{live.port}") == "403"


async def test_bad_frames_get_a_clear_error_and_the_socket_stays(live: Live, acme: House) -> None:
    async with socket(live, acme.person("member")) as page:
        for text in ("junk", "[]", '{"type": "nothing"}', '{"type": "message.send"}', '{"type": "run.follow", "run": "x"}'):
            await page.link.send(text)
            assert (await page.receive())["code"] == "bad_frame"
        await page.send(type="message.send", content="   ", key="empty")
        assert (await page.receive())["code"] == "empty_message"
        await page.send(type="ping")
        assert (await page.receive()) == {"type": "pong"}


async def test_a_frame_over_64_kib_closes_with_1009(live: Live, acme: House) -> None:
    async with socket(live, acme.person("member")) as page:
        await page.send(type="message.send", content="x" * 70_000)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await page.receive()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_interleaved_sockets_see_only_their_own(live: Live, acme: House, globex: House) -> None:
    actors = [house.person(local) for house in (acme, globex) for local in ("member", "member2")]

    async def read(number: int) -> tuple[str, str]:
        actor = actors[number % len(actors)]
        own = f"{actor.house.canary} {actor.local}"
        async with socket(live, actor) as page:
            for _turn in range(5):
                await page.send(type="message.send", content=f"{own} {number}")
                await page.until_final()
        async with client(live, actor) as http:
            listed = (await http.get("/api/v1/conversations/?limit=200")).text
        return actor.email, listed

    for email, listed in await asyncio.gather(*(read(number) for number in range(40))):
        house, other = (acme, globex) if "acme" in email else (globex, acme)
        local = email.partition("@")[0]
        assert f"{house.canary} {local}" in listed
        assert other.canary not in listed
        assert f"{house.canary} {'member2' if local == 'member' else 'member '}" not in listed


async def test_a_hundred_streams_on_a_small_pool_leave_room_for_a_plain_request(live: Live, acme: House) -> None:
    member = acme.person("member")
    async with client(live, member) as http:
        http._transport = type(http._transport)(limits=__import__("httpx").Limits(max_connections=200))  # type: ignore[call-arg]
        started = [await ask(http, f"Question {number}") for number in range(20)]
        streams = [asyncio.create_task(sse(http, f"/api/v1/runs/{one['run']['id']}/events/")) for one in started * 5]
        await asyncio.sleep(0)
        plain = await http.get("/api/v1/me/")
        everything = await asyncio.gather(*streams)

    assert plain.status_code == 200
    assert len(everything) == 100
    assert all(events[-1]["type"] == "run.completed" for events in everything)


async def test_two_sends_at_once_do_not_tangle(live: Live, acme: House) -> None:
    async with client(live, acme.person("member")) as http:
        conversation = await new_conversation(http)
        path = f"/api/v1/conversations/{conversation}/messages/"
        answers = await asyncio.gather(*(http.post(path, json={"content": f"Question {number}"}) for number in range(4)))

    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"run_in_progress"}


async def test_a_socket_edits_regenerates_and_continues_as_requests_do(live: Live, acme: House) -> None:
    async with socket(live, acme.person("member")) as page, client(live, acme.person("member")) as http:

        async def turn(**frame: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
            await page.send(**frame)
            accepted = await page.receive()
            assert (accepted["type"], accepted["key"]) == ("message.accepted", frame.get("key")), accepted
            return accepted, await page.until_final()

        first, _events = await turn(type="message.send", content="What is the notice?", key="1")
        question = first["message"]["id"]
        edited, events = await turn(type="message.edit", message=question, content="What is the term?", key="2")
        assert events[-1]["run"] == edited["run"]["id"] and edited["message"]["id"] != question
        again, events = await turn(type="message.regenerate", message=edited["answer"]["id"], key="3", attachments=["junk"])
        assert again["message"] == edited["message"] and events[-1]["message"] == again["answer"]["id"]

        # The same key is the same turn, whichever way it comes; another body under it is none.
        known, _events = await turn(type="message.edit", message=question, content="What is the term?", key="2")
        assert known == edited
        over = await http.post(
            f"/api/v1/messages/{question}/edit/", json={"content": "What is the term?"}, headers={"Idempotency-Key": "2"}
        )
        assert (over.status_code, over.json()["run"]) == (202, edited["run"])
        for frame, code in (
            ({"type": "message.edit", "message": question, "content": "else", "key": "2"}, "key_reused"),
            ({"type": "message.edit", "message": edited["answer"]["id"], "content": "else"}, "not_a_question"),
            ({"type": "message.edit", "message": question, "content": " "}, "empty_message"),
            ({"type": "message.edit", "message": question}, "bad_frame"),
            ({"type": "message.edit", "message": question, "content": "x", "key": 7}, "bad_frame"),
            ({"type": "message.regenerate", "message": "no id"}, "bad_frame"),
            ({"type": "message.regenerate", "message": question, "models": ["one"]}, "models_invalid"),
            ({"type": "run.continue", "run": again["run"]["id"]}, "not_continuable"),
        ):
            await page.send(**frame)
            refused = await page.receive()
            assert (refused["type"], refused["code"]) == ("error", code), frame


async def test_a_socket_goes_on_with_a_stopped_answer(live: Live, acme: House, owner: psycopg.Connection) -> None:
    member = acme.person("member")
    async with client(live, member) as http, socket(live, member) as page:
        started = await ask(http, "What is the notice?")
        await sse(http, f"/api/v1/runs/{started['run']['id']}/events/")
        table, name = f"{acme.schema}.conversations_run", started["run"]["id"]
        owner.execute(f"UPDATE {table} SET status = 'stopped' WHERE public_id = %s", [name])

        await page.send(type="run.continue", run=name, key="on")
        accepted = await page.receive()
        events = await page.until_final()
        await page.send(type="message.regenerate", message=accepted["message"]["id"], model=7)
        assert (await page.receive())["type"] == "message.accepted"
        stored = (await http.get(f"/api/v1/messages/{accepted['answer']['id']}/")).json()["content"]

    assert accepted["message"] == started["message"] and accepted["answer"] != started["answer"]
    assert events[-1]["type"] == "run.completed" and text_of(events) == stored


async def test_frames_that_name_others_messages_find_nothing(live: Live, acme: House, globex: House) -> None:
    async with client(live, acme.person("member")) as http:
        started = await ask(http, f"Secret {acme.canary}")
        await sse(http, f"/api/v1/runs/{started['run']['id']}/events/")
    message, run = started["message"]["id"], started["run"]["id"]
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        async with socket(live, stranger) as page:
            for frame in (
                {"type": "message.edit", "message": message, "content": "planted"},
                {"type": "message.regenerate", "message": started["answer"]["id"]},
                {"type": "message.regenerate", "message": message},
                {"type": "run.continue", "run": run},
            ):
                name = "run" if "run" in frame else "message"
                refusals = []
                for asked in (frame, {**frame, name: str(uuid.uuid4())}):
                    await page.send(**asked)
                    refusals.append({**await page.receive(), "run": ""})
                assert refusals[0] == refusals[1] and refusals[0]["code"] == "not_found"
    async with socket(live, acme.person("member")) as page:  # The control.
        await page.send(type="message.regenerate", message=message)
        assert (await page.receive())["type"] == "message.accepted"
