"""Titles that a model writes. Only a local one is asked, so that nothing leaves for a title; without one the first words stay."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from django.conf import settings

from assistants.conversations.answers import Turn, caller_of
from assistants.conversations.models import Conversation
from assistants.conversations.screening import LOCAL
from core.errors import AppError
from gateway import language, rules
from gateway.catalogue import BUILTIN
from gateway.metering import Accounting
from gateway.router import LLMRouter
from gateway.types import ChatMessage, ChatRequest, Needs, TextDelta
from isolation import in_thread

logger = logging.getLogger(__name__)

READ = 2_000  # characters of question and answer each
TOKENS = 32
PATIENCE = 30.0  # seconds
LONGEST = 80  # characters
ASK = {
    "fr": "Donne un titre de six mots au plus à cet échange. Réponds par le titre seul, sans guillemets ni point final.",
    "en": "Give this exchange a title of at most six words. Answer with the title alone, without quotes or a full stop.",
}


@dataclass(frozen=True, slots=True)
class TitleService:
    """Writes the title of a conversation after its first answer."""

    router: LLMRouter = field(default_factory=LLMRouter)
    accounting: Accounting = field(default_factory=Accounting)

    async def write(self, turn: Turn, answer: str, conversation: Conversation) -> str | None:
        """Store a title in the place of the first words, unless somebody renamed it meanwhile. None where no model wrote one."""
        if settings.CLOISON_TITLES != "model" or conversation.temporary or turn.history:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                title = clean(await self._ask(turn, answer))
        except (AppError, TimeoutError) as error:
            logger.info("no title was written", extra={"code": getattr(error, "code", "timeout")})
            return None
        kept = bool(title) and await in_thread(_keep, conversation.pk, conversation.title, title)
        return title if kept else None

    async def _ask(self, turn: Turn, answer: str) -> str:
        policy = (await in_thread(rules.current)).routing
        decision = await self.router.route(localities=LOCAL, needs=Needs(question=turn.question), policy=policy)
        if decision.model.provider == BUILTIN:
            return ""
        spoken = language.of_question(turn.question)
        request = ChatRequest(
            model=decision.model.id,
            messages=(
                ChatMessage("user", turn.question[:READ]),
                ChatMessage("assistant", answer[:READ]),
                ChatMessage("user", ASK.get(spoken, ASK["en"])),
            ),
            max_tokens=TOKENS,
        )
        meter = await self.accounting.open(request, decision.model, "local", caller_of(turn, run=None), decision.fallbacks)
        meter.trace = {"reasons": ["title"]}
        stream = self.router.stream(request, decision)
        written: list[str] = []
        try:
            async for event in stream:
                meter.saw(event)
                if isinstance(event, TextDelta):
                    written.append(event.text)
        except AppError:
            meter.failed()
            raise
        finally:
            await stream.aclose()
            await meter.close()
        return "".join(written)


def clean(written: str) -> str:
    """The first line of what a model wrote, without the quotes and the full stop it was asked to leave out."""
    line = next((line for line in written.replace("\0", "").splitlines() if line.strip()), "")
    line = " ".join(line.split()).strip("*#\"'«»“”‘’ \u00a0\u202f").rstrip(".")
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rsplit(" ", 1)[0] + "…"


def _keep(conversation: int, before: str, title: str) -> bool:
    return bool(Conversation.objects.filter(pk=conversation, title=before).update(title=title))
