"""The tree of messages as a person walks it: edit, versions, again, stop and continue, thumbs, by keyboard too."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Locator, Page, Route, expect

from gateway import snapshots
from tests.browser.conftest import SignIn
from tests.browser.test_first_answer import QUESTION, contract, finished, stored, upload
from tests.gateway.test_budgets import limit
from tests.people import House

pytestmark = pytest.mark.browser


def versions(article: Locator) -> Locator:
    return article.locator(".siblings > span")


def test_a_person_edits_answers_again_stops_and_continues(globex: House, sign_in: SignIn, tmp_path: Path) -> None:
    page = sign_in(globex.person("member"))
    upload(page, contract(tmp_path / "Supply contract.pdf"))
    page.fill("#message", "What is the notice?")
    page.keyboard.press("Enter")
    whole = finished(page)
    question, answer = page.locator("article.ask"), page.locator("article.answer")

    # Edited by keyboard alone, then back and forth between the two versions.
    page.locator("#message").press("ArrowUp")
    expect(question.locator("textarea")).to_have_value("What is the notice?")
    page.keyboard.press("Escape")
    expect(question.locator(".ask-body")).to_be_visible()
    question.get_by_role("link", name="Edit the question").click()
    question.locator("textarea").fill(QUESTION)
    page.keyboard.press("Control+Enter")
    expect(versions(question)).to_have_text("2 / 2")
    edited = finished(page)
    assert stored(page)["content"] == edited
    question.get_by_role("button", name="Previous version").click()
    expect(question.locator(".ask-body")).to_have_text("What is the notice?")
    expect(question.get_by_role("button", name="Next version")).to_be_focused()
    page.keyboard.press("]")
    expect(question.locator(".ask-body")).to_have_text(QUESTION)
    assert whole

    # Again, stopped in the middle, and gone on with where it broke off.
    answer.get_by_role("button", name="Answer again").click()
    expect(page.locator("article.answer[aria-busy=true] .prose p").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Stop the answer").click()
    expect(answer.get_by_text("You stopped the answer.")).to_be_visible()
    half = str(answer.evaluate("article => article.dataset.text"))
    assert edited.startswith(half) and len(half) < len(edited)
    answer.get_by_role("button", name="Continue", exact=True).click()
    expect(page.locator("article.answer[aria-busy=true]")).to_be_visible()
    assert finished(page) == edited == stored(page)["content"]
    page.reload()
    expect(versions(answer)).to_have_text("2 / 2")  # The half one is within the whole one.
    assert page.locator(".prose a.cite").count() >= 1

    # What one thinks of it.
    answer.get_by_role("button", name="Answer to be reviewed").click()
    expect(answer.get_by_role("button", name="Answer to be reviewed")).to_have_attribute("aria-pressed", "true")
    answer.get_by_label("Reason").select_option("incomplete")
    answer.get_by_role("button", name="Save").click()
    expect(answer.locator("details.opinion")).not_to_have_attribute("open", "")
    assert stored(page)["feedback"] == {"rating": "down", "reason": "incomplete", "comment": ""}
    _choices(page)


def _choices(page: Page) -> None:
    """Folder and model are chosen in the composer's menus, and kept."""
    page.locator("#pick-folders > summary").click()
    expect(page.locator("#pick-folders .menu")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(page.locator("#pick-folders .menu")).to_be_hidden()
    page.locator("#pick-model > summary").click()
    with page.expect_response("**/api/v1/conversations/*/") as patched:
        page.locator("#pick-model [name=model]").last.check()
    assert patched.value.status == 200
    page.reload()
    expect(page.locator("#pick-model [name=model]").last).to_be_checked()


def test_the_menu_of_models_is_fresh_when_it_is_opened(globex: House, sign_in: SignIn, complaints: list[str]) -> None:
    page = sign_in(globex.person("member"))
    menu = page.locator("#pick-model")
    usual, model = menu.get_by_role("radio").first, menu.get_by_role("radio").last
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_spent, globex).result()
    seen = time.monotonic() + snapshots.FRESH  # By the web process, at the latest.

    # The answer is on its way, then it does not come: the menu is as it was.
    held: list[Route] = []
    page.route("**/api/v1/models/", lambda route: held.append(route))  # noqa: PLW0108 (Playwright writes into the function)
    with page.expect_request("**/api/v1/models/"):
        menu.locator("summary").press("Enter")
    model.check()
    usual.check()
    with page.expect_event("requestfailed"):
        held[0].abort()
    expect(menu.locator(".price")).to_have_text("local, no cost")
    expect(model).to_be_enabled()
    complaints.clear()  # The browser itself tells of the failure.
    page.keyboard.press("Escape")
    page.unroute("**/api/v1/models/")

    page.wait_for_timeout(max(0.0, seen - time.monotonic()) * 1000)
    menu.locator("summary").press("Enter")

    expect(menu.locator(".price")).to_have_text("local, no cost, budget used up")
    expect(model).to_be_disabled()
    expect(usual).to_be_enabled()
    expect(menu.locator("summary")).to_be_focused()


def _spent(house: House) -> None:
    try:
        limit(house, token_limit=0)
    finally:
        connections.close_all()


def test_answers_stand_side_by_side_on_a_phone_too(globex: House, sign_in: SignIn) -> None:
    page = sign_in(globex.person("member2"), width=390)
    page.fill("#message", "Is there anything here?")
    page.keyboard.press("Enter")
    finished(page)
    # One model alone is connected: the second is asked over the API, which does not know it.
    path = page.url.split("/c/")[1].strip("/")
    script = """([path, token]) => fetch(`/api/v1/conversations/${path}/messages/`, {method: "POST",
        headers: {"Content-Type": "application/json", "X-CSRFToken": token},
        body: JSON.stringify({content: "And now?", models: ["builtin", "nobody"]})}).then((answer) => answer.status)"""
    token = page.locator("#composer [name=csrfmiddlewaretoken]").input_value()
    assert page.evaluate(script, [path, token]) == 202

    page.reload()
    expect(page.get_by_role("button", name="Keep this answer")).to_have_count(2, timeout=30_000)
    # At one moment: where both have ended, the thread is shown anew.
    places = "() => [...document.querySelectorAll('.two > article')].map((each) => each.getBoundingClientRect().toJSON())"
    upper, lower = page.evaluate(places)
    assert lower["y"] >= upper["y"] + upper["height"] > 0  # Stacked.
    page.get_by_role("button", name="Keep this answer").last.click()

    expect(page.locator(".two")).to_have_count(0)
    expect(versions(page.locator("article.answer").last)).to_have_text("2 / 2")
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
