"""A real browser on the running product. Anything it complains about fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.conftest import Live, free_port, start_process, wait_for_port
from tests.people import PASSWORD, Actor, House

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = os.environ.get("CLOISON_TEST_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
PACE_MS = 30  # between two pieces of the built-in model's answer: slow enough to reload in the middle

SignIn = Callable[..., Page]


@pytest.fixture(scope="package")
def paced(houses: dict[str, House], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Web and worker whose built-in model writes slowly."""
    logs, port = tmp_path_factory.mktemp("paced"), free_port()
    web = start_process("serve", "--port", str(port), log=logs / "web.log", CLOISON_BUILTIN_PACE_MS=str(PACE_MS))
    worker = start_process("worker", log=logs / "worker.log")
    try:
        wait_for_port(port, web, logs / "web.log")
        yield Live(port, web, worker, logs)
    finally:
        for process in (web, worker):
            process.terminate()
        for process in (web, worker):
            process.wait(25)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with this folder's tests: while Playwright runs, its event loop stands in the way of everybody else's."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install the system's package, or name one in CLOISON_TEST_BROWSER")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser's console and our scripts complained about; also violations of the content policy."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def sign_in(browser: Browser, paced: Live, complaints: list[str]) -> Iterator[SignIn]:
    """`sign_in(actor, width=…)`: a page on which that person is signed in."""
    contexts = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.location.get('url')}: {message.text}")

    def open_page(
        actor: Actor, *, width: int = 1440, scheme: str = "light", before: Callable[[Page], None] | None = None
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if before:
            before(page)
        page.goto(paced.url(actor.house, "/login/"))
        page.fill("#email", actor.email)
        page.fill("#password", PASSWORD)
        page.click("form.stack button")
        page.wait_for_url(paced.url(actor.house))
        return page

    yield open_page
    for context in contexts:
        context.close()
