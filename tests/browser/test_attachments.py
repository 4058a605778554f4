"""A person attaches: chosen and pasted, one taken back, one refused; what was sent stands above the question and stays."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.conversations.test_attachments import PLAN, picture
from tests.people import House

pytestmark = pytest.mark.browser


def choose(page: Page, *files: tuple[str, bytes, str]) -> None:
    chosen = [{"name": name, "mimeType": kind, "buffer": content} for name, content, kind in files]
    page.locator("#composer input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]


def test_a_person_attaches_files_to_a_question(globex: House, sign_in: SignIn, complaints: list[str]) -> None:
    page = sign_in(globex.person("member"))
    rows = page.locator("#attaching li")
    expect(page.get_by_role("button", name="Attach files")).to_be_visible()
    photo = ("photo.png", picture("PNG"), "image/png")

    choose(page, photo, ("plan.txt", PLAN.encode(), "text/plain"), ("page.png", b"<html><script>", "image/png"))
    expect(rows.locator(".sub")).to_have_text(
        ["Ready", "Ready", "The content is not a picture in PNG, JPEG, WebP or GIF."], timeout=30_000
    )
    rows.nth(2).get_by_role("button", name="Remove page.png").press("Enter")
    expect(rows).to_have_count(2)
    expect(page.locator("#message")).to_be_focused()
    choose(page, photo)
    expect(rows.nth(2).locator(".sub")).to_have_text("Ready", timeout=30_000)
    rows.nth(2).get_by_role("button").click()
    page.fill("#message", "What is on it?")
    page.keyboard.press("Enter")

    question = page.locator("article.ask")
    expect(question.locator(".attached li")).to_have_count(2)
    expect(rows).to_have_count(0)
    # The built-in model reads no pictures: the page says so, live and later.
    refused = page.locator("article.answer").get_by_role("alert").get_by_text("No permitted model reads pictures.")
    expect(refused).to_be_visible(timeout=30_000)
    page.reload()
    expect(refused).to_be_visible()
    shown = question.locator(".attached img")
    expect(shown).to_have_attribute("alt", "photo.png")
    assert [text for text in complaints if "415" not in text] == []
    complaints.clear()  # What the browser says of the one that was refused.
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 60
    expect(question.get_by_role("link", name="plan.txt")).to_be_visible()


def test_a_person_changes_the_attachments_of_a_question(globex: House, sign_in: SignIn, complaints: list[str]) -> None:
    page = sign_in(globex.person("member"))
    plan, notes = (("plan.txt", PLAN.encode(), "text/plain"), ("notes.txt", b"The weir is closed.", "text/plain"))
    choose(page, plan, notes)
    expect(page.locator("#attaching .sub")).to_have_text(["Ready", "Ready"], timeout=30_000)
    page.fill("#message", "What does the heron do?")
    page.keyboard.press("Enter")
    question = page.locator("article.ask")
    expect(page.locator("article.answer time")).to_be_visible(timeout=30_000)

    # From the question as it was just sent; what was added and then left goes, what the question has stays.
    page.locator("#message").press("ArrowUp")
    chips = question.locator(".uploads li")
    expect(chips).to_have_text(["plan.txt", "notes.txt"])
    add(page, ("more.txt", b"The heron left.", "text/plain"))
    expect(chips.nth(2).locator(".sub")).to_have_text("Ready", timeout=30_000)
    page.keyboard.press("Escape")
    expect(question.locator(".attached").get_by_role("link")).to_have_text(["plan.txt", "notes.txt"])

    question.get_by_role("link", name="Edit the question").click()
    question.get_by_role("button", name="Remove plan.txt").press("Enter")
    expect(question.locator("textarea")).to_be_focused()
    add(page, ("photo.txt", b"The heron came back.", "text/plain"))
    expect(chips.nth(1).locator(".sub")).to_have_text("Ready", timeout=30_000)
    question.get_by_role("button", name="Ask again").click()

    shown = question.locator(".attached").get_by_role("link")
    expect(shown).to_have_text(["notes.txt", "photo.txt"])
    expect(page.locator("article.answer time")).to_be_visible(timeout=30_000)
    question.get_by_role("button", name="Previous version").click()
    expect(shown).to_have_text(["plan.txt", "notes.txt"])

    # The form that the server rendered takes the same way.
    page.goto(f"{page.url.split('#')[0]}?edit={question.get_attribute('id')[2:]}")  # type: ignore[index]
    expect(chips).to_have_text(["plan.txt", "notes.txt"])
    question.get_by_role("button", name="Remove notes.txt").click()
    question.get_by_role("button", name="Ask again").click()
    expect(shown).to_have_text(["plan.txt"])
    expect(page.locator("article.answer time")).to_be_visible(timeout=30_000)


def add(page: Page, *files: tuple[str, bytes, str]) -> None:
    chosen = [{"name": name, "mimeType": kind, "buffer": content} for name, content, kind in files]
    page.locator("form.edit input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]


def test_what_is_chosen_before_the_script_is_there_is_attached(globex: House, sign_in: SignIn) -> None:
    page = sign_in(globex.person("member"))
    page.route("**/attach*.js", lambda route: (page.wait_for_timeout(1000), route.continue_()))
    page.goto(page.url, wait_until="commit")

    choose(page, ("plan.txt", PLAN.encode(), "text/plain"))

    expect(page.locator("#attaching .sub")).to_have_text(["Ready"], timeout=30_000)
