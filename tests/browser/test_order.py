"""Order beside the page, as a person does it: search, menu, undo, drafts, temporary chats; nothing reloads."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from assistants.conversations.models import Conversation
from tests.browser.conftest import SignIn
from tests.browser.test_accessibility import violations
from tests.conversations.test_search import say
from tests.people import Actor, House

pytestmark = pytest.mark.browser


def said(actor: Actor, content: str, title: str) -> Conversation:
    """A conversation, stored in a thread: the browser's own loop runs in this one."""

    def work() -> Conversation:
        try:
            return say(actor, content, title=title)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def unchanged(page: Page) -> None:
    """The page is still the one that was marked."""
    assert page.evaluate("() => window.kept === true"), "the page was loaded again"


def test_conversations_are_put_in_order_without_leaving_the_page(globex: House, sign_in: SignIn) -> None:
    member = globex.person("member")
    said(member, "The lease ends in June.", "Lease")
    said(member, "Otters swim on their backs.", "Otters")
    page = sign_in(member)
    page.evaluate("() => { window.kept = true; }")
    recent, dialog = page.locator("#recent"), page.locator("#organise")

    recent.get_by_role("link", name="Options of Lease").click()
    expect(dialog.get_by_role("heading", name="Lease")).to_be_visible()
    assert violations(page) == []
    dialog.get_by_label("Title").fill("Lease 2027")
    dialog.get_by_label("or a new folder").fill("Buildings")
    dialog.get_by_label("Tags").fill("urgent")
    dialog.get_by_role("button", name="Save").click()
    expect(recent.locator("details", has_text="Buildings").get_by_text("Lease 2027")).to_be_visible()
    recent.get_by_role("link", name="Options of Otters").click()
    dialog.get_by_role("button", name="Pin").click()
    expect(recent.locator("h2").first).to_have_text("Pinned")

    recent.get_by_role("link", name="Options of Otters").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(recent.get_by_text("Otters")).to_have_count(0)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(recent.get_by_text("Otters", exact=True)).to_be_visible()
    unchanged(page)
    assert violations(page) == []

    page.get_by_role("link", name="All conversations").click()
    page.evaluate("() => { window.kept = true; }")
    rows = page.locator("#main tbody tr")
    expect(rows).to_have_count(2)
    rows.filter(has_text="Otters").get_by_role("link", name="Options of Otters").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(rows).to_have_count(1)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(2)
    unchanged(page)


def test_search_is_at_hand_and_works_by_keys(globex: House, sign_in: SignIn) -> None:
    member = globex.person("member")
    conversation = said(member, "Otters 🦦 swim on their backs.", "Animals")
    page = sign_in(member)

    page.keyboard.press("Control+k")
    page.keyboard.type("otter")
    found = page.locator("#found")
    expect(found.locator("mark")).to_have_text("Otters")
    expect(page.locator("#found-count")).to_have_text("1 conversation found")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(found).to_be_hidden()
    page.keyboard.type("otter")
    expect(found.locator("mark")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(rf"/c/{conversation.public_id}/#m-"))
    expect(page.locator("article.ask")).to_contain_text("Otters")


def test_a_draft_follows_to_another_device_and_goes_when_it_is_sent(globex: House, sign_in: SignIn) -> None:
    member = globex.person("member")
    page, phone = sign_in(member), sign_in(member, width=390)
    with page.expect_response(lambda answer: answer.url.endswith("/api/v1/drafts/new/") and answer.request.method == "PUT"):
        page.fill("#message", "Where do otters sleep")
    phone.reload()
    expect(phone.locator("#message")).to_have_value("Where do otters sleep")

    with phone.expect_response(lambda answer: answer.url.endswith("/drafts/new/") and answer.request.method == "DELETE"):
        phone.fill("#message", "Where do otters sleep?")
        phone.keyboard.press("Enter")
    page.reload()

    expect(page.locator("#message")).to_have_value("")
    expect(page.get_by_role("link", name="Options of Where do otters sleep?")).to_be_attached()


def test_a_temporary_chat_answers_and_is_ended(globex: House, sign_in: SignIn) -> None:
    page = sign_in(globex.person("member"))
    page.get_by_role("button", name="Temporary chat").click()
    page.wait_for_url("**/c/**")
    page.fill("#message", "Is anybody there?")
    page.keyboard.press("Enter")
    expect(page.locator("article.answer > .tools")).to_be_visible(timeout=60_000)
    expect(page.locator("#recent")).not_to_contain_text("Is anybody there?")
    assert violations(page) == []

    page.get_by_role("button", name="End and remove now").click()

    expect(page.locator(".toast")).to_have_text("Removed for good")
    page.get_by_role("link", name="Bin").click()
    expect(page.get_by_role("heading", name="The bin is empty")).to_be_visible()


def test_the_line_under_the_text_foretells_where_it_is_answered(globex: House, sign_in: SignIn) -> None:
    page = sign_in(globex.person("member"))

    page.locator("#message").press_sequentially("Write to jean.dupont@example.com")

    expect(page.locator("#verdict")).to_have_text("Will stay local. The message holds an e-mail address.")
    page.fill("#message", "Write to the office")
    expect(page.locator("#verdict")).to_be_hidden()

    paper = {"name": "lettre.txt", "mimeType": "text/plain", "buffer": "Écrivez à jean.dupont@example.com.".encode()}
    page.set_input_files("#composer input[type=file]", paper)  # type: ignore[arg-type]
    expect(page.locator("#verdict")).to_have_text("Will stay local. An attachment holds an e-mail address.")
    page.locator("#attaching [data-act=detach]").click()
    expect(page.locator("#verdict")).to_be_hidden()
