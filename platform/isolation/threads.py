"""The way from asynchronous code to the database."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections
from django.utils import translation

P = ParamSpec("P")
T = TypeVar("T")


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=settings.CLOISON_DB_THREADS, thread_name_prefix="database")


def _call(language: str | None, function: Callable[[], T]) -> T:
    if language:
        translation.activate(language)  # Django's is bound to its thread, and would not be seen in this one.
    try:
        return function()
    finally:
        connections.close_all()  # Back to the pool: nothing of ours waits for a model while it holds a connection.


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run synchronous database code in a thread of a bounded executor, under a copy of the caller's context and language.

    The connection goes back to the pool after each call. Cancelling the caller does not stop the call: it ends by
    itself, within the statement timeout.
    """
    call = partial(contextvars.copy_context().run, _call, translation.get_language(), partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_executor(), call)
