"""Titles that a local model writes."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from assistants.conversations.answers import Turn
from assistants.conversations.models import Conversation
from assistants.conversations.titles import TitleService, clean
from gateway import catalogue
from gateway.models import UsageRecord
from gateway.types import ChatMessage
from isolation import context
from tests.gateway.conftest import Provider, closed_session, provider, simulator
from tests.people import Actor, House

__all__ = ["closed_session", "provider", "simulator"]

QUESTION = "How do herons fish? [[sim tokens=5 itl=1]]"


@pytest.fixture(autouse=True)
def written_by_a_model(settings: Any) -> Any:
    settings.CLOISON_TITLES = "model"
    catalogue.forget()
    yield
    catalogue.forget()


def begun(actor: Actor, **more: Any) -> Conversation:
    with actor.acting():
        return Conversation.objects.create(owner=actor.user, title="How do herons fish?", **more)


async def write(actor: Actor, conversation: Conversation, **more: Any) -> str | None:
    async def work() -> str | None:
        context.enter(actor.context)
        turn = Turn(user=actor.user, question=QUESTION, conversation=conversation.public_id, run=uuid.uuid4(), **more)
        return await TitleService().write(turn, "They wait.", conversation)

    return await asyncio.create_task(work())


def title_of(actor: Actor, conversation: Conversation) -> str:
    with actor.acting():
        return Conversation.objects.get(pk=conversation.pk).title


async def test_a_local_model_writes_it_and_is_counted(acme: House, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", provider.address)
    member = acme.person("member")
    conversation = await sync_to_async(begun)(member)

    written = await write(member, conversation)

    assert written and written == await sync_to_async(title_of)(member, conversation) != "How do herons fish?"
    assert [request["body"]["messages"][-1]["role"] for request in provider.requests()] == ["user"]

    def records() -> list[tuple[Any, str]]:
        with acme.person("admin").acting():
            return list(UsageRecord.objects.values_list("run", "route"))

    assert await sync_to_async(records)() == [(None, "local")]


async def test_nothing_leaves_for_a_title(acme: House, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", provider.base)
    monkeypatch.setenv("CLOISON_OPENAI_LOCALITY", "cloud")
    monkeypatch.setenv("CLOISON_OPENAI_MODEL", "sim")
    member = acme.person("member")
    conversation = await sync_to_async(begun)(member)

    assert await write(member, conversation) is None
    assert provider.requests() == []
    assert await sync_to_async(title_of)(member, conversation) == "How do herons fish?"


async def test_a_name_that_somebody_gave_stays(acme: House, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_BASE", provider.address)
    member = acme.person("member")
    conversation = await sync_to_async(begun)(member)

    def rename() -> None:
        with member.acting():
            Conversation.objects.filter(pk=conversation.pk).update(title="Herons")

    await sync_to_async(rename)()

    assert await write(member, conversation) is None
    assert await write(member, conversation, history=(ChatMessage("user", "before"),)) is None
    assert await write(member, await sync_to_async(begun)(member, temporary=True)) is None
    assert await sync_to_async(title_of)(member, conversation) == "Herons"


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("\n\n« La pêche du héron. »\nEt plus", "La pêche du héron"),
        ('**"How herons fish"**', "How herons fish"),
        ("", ""),
        ("word " * 40, " ".join(["word"] * 15) + "…"),
    ],
)
def test_a_title_is_one_short_line(written: str, title: str) -> None:
    assert clean(written) == title
