"""Two models asked for one answer where the first is silent for too long: the first to speak is heard, the other hung up on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from gateway.errors import NoPermittedModel, ProviderError
from gateway.types import ChatEvent, ModelInfo

Attempt = AsyncGenerator[ChatEvent, None]
Spoken = ChatEvent | ProviderError | NoPermittedModel | None
"""An event, how the attempt failed, or None: its end."""

WAITING = 64  # events of one attempt that nobody has read yet


class _Runner:
    """An attempt in a task of its own from beginning to end: timeouts and connections belong to the task that made them."""

    def __init__(self, model: ModelInfo, attempt: Attempt) -> None:
        self.model = model
        self.spoken: asyncio.Queue[Spoken] = asyncio.Queue(WAITING)
        self.task = asyncio.create_task(self._run(attempt))

    async def _run(self, attempt: Attempt) -> None:
        last: Spoken = None
        try:
            async for event in attempt:
                await self.spoken.put(event)
        except (ProviderError, NoPermittedModel) as error:
            last = error
        finally:
            await attempt.aclose()
        await self.spoken.put(last)

    async def heard(self) -> tuple[_Runner, Spoken]:
        return self, await self.spoken.get()


async def race(
    first: ModelInfo,
    *,
    ask: Callable[[ModelInfo], Attempt],
    after: float,
    another: Callable[[], Awaitable[ModelInfo | None]],
    failed: Callable[[ModelInfo, ProviderError | NoPermittedModel], None],
) -> AsyncGenerator[tuple[ModelInfo, ChatEvent], None]:
    """The events of whichever model speaks first, each with the model. After `after` seconds of silence `another` is asked, too.

    `failed` is told of each that fails before a word. Raises the last error where both fail; closing it hangs up on both.
    """
    runners = [_Runner(first, ask(first))]
    try:
        winner, event = await _first(runners, ask, after, another, failed)
        for loser in runners:
            if loser is not winner:
                loser.task.cancel()
        while event is not None:
            if isinstance(event, ProviderError | NoPermittedModel):
                raise event
            yield winner.model, event
            event = await winner.spoken.get()
    finally:
        for runner in runners:
            runner.task.cancel()
        await asyncio.gather(*(runner.task for runner in runners), return_exceptions=True)


async def _first(
    runners: list[_Runner],
    ask: Callable[[ModelInfo], Attempt],
    after: float,
    another: Callable[[], Awaitable[ModelInfo | None]],
    failed: Callable[[ModelInfo, ProviderError | NoPermittedModel], None],
) -> tuple[_Runner, Spoken]:
    """Who speaks first, and what. An error is the answer only where nobody is left."""
    patience: float | None = after
    listening = {asyncio.create_task(runners[0].heard())}
    try:
        while True:
            done, _silent = await asyncio.wait(listening, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                patience = None
                if (model := await another()) is not None:
                    runners.append(_Runner(model, ask(model)))
                    listening.add(asyncio.create_task(runners[-1].heard()))
            for task in done:
                listening.discard(task)
                runner, spoken = task.result()
                if not isinstance(spoken, ProviderError | NoPermittedModel) or not listening:
                    return runner, spoken
                failed(runner.model, spoken)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
