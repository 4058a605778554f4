"""Clients that look at the running product from outside: HTTP, server-sent events, websockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets

from tests import canary
from tests.conftest import Live
from tests.people import Actor

FINAL = {"run.completed", "run.failed", "run.stopped", "run.interrupted"}


def client(live: Live, actor: Actor | None = None, **headers: str) -> httpx.AsyncClient:
    """An HTTP client on the loopback that names the actor's host, and looks for others' canaries in what it gets."""

    async def watch(answer: httpx.Response) -> None:
        if "text/event-stream" not in answer.headers.get("Content-Type", ""):
            canary.look(await answer.aread(), actor, str(answer.url))

    return httpx.AsyncClient(
        base_url=live.base,
        headers={**(actor.headers if actor else {}), **headers},
        timeout=60,
        verify=False,  # Plain HTTP: reading the certificates would take longer than the request.  # noqa: S501
        event_hooks={"response": [watch]} if actor else {},
    )


async def new_conversation(http: httpx.AsyncClient) -> str:
    answer = await http.post("/api/v1/conversations/", json={})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def ask(http: httpx.AsyncClient, content: str, conversation: str | None = None, **body: Any) -> dict[str, Any]:
    """Send a message and return what was accepted."""
    conversation = conversation or await new_conversation(http)
    answer = await http.post(f"/api/v1/conversations/{conversation}/messages/", json={"content": content, **body})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def sse(http: httpx.AsyncClient, path: str, after: int = 0) -> list[dict[str, Any]]:
    """All events of a run from number `after` to the final one, with the ids checked."""
    found: list[dict[str, Any]] = []
    async with http.stream("GET", path, headers={"Accept": "text/event-stream", "Last-Event-ID": str(after)}) as stream:
        assert stream.status_code == 200
        seq = 0
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                seq = int(line[4:])
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                assert event["seq"] == seq
                found.append(event)
    return found


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "delta")


class Socket:
    """A websocket with the frames it has received."""

    def __init__(self, link: websockets.ClientConnection, actor: Actor) -> None:
        self.link, self.actor = link, actor

    async def send(self, **frame: Any) -> None:
        await self.link.send(json.dumps(frame))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            frame = await self.link.recv()
        canary.look(frame, self.actor, "websocket")
        return dict(json.loads(frame))

    async def until_final(self) -> list[dict[str, Any]]:
        """Frames up to a run's final event."""
        found: list[dict[str, Any]] = []
        while True:
            found.append(await self.receive())
            if found[-1]["type"] in FINAL:
                return found


@asynccontextmanager
async def socket(live: Live, actor: Actor, **headers: str) -> AsyncIterator[Socket]:
    """An open `/ws/`, by ticket."""
    async with client(live, actor) as http:
        ticket = (await http.post("/api/v1/auth/ws-ticket/")).json()["ticket"]
    url = f"ws://{actor.house.host}:{live.port}/ws/?ticket={ticket}"
    async with websockets.connect(url, host="127.0.0.1", port=live.port, additional_headers=headers) as link:
        yield Socket(link, actor)
