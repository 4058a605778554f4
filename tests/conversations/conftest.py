"""What the tests that read Redis leave behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from core import streams


@pytest_asyncio.fixture(autouse=True)
async def closed_streams() -> AsyncIterator[None]:
    yield
    await streams.close()
