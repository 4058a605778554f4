"""From a PDF to a cited answer, as a person does it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, WebSocketRoute, expect
from reportlab.pdfgen.canvas import Canvas

from tests.browser.conftest import SignIn
from tests.people import House

pytestmark = pytest.mark.browser

QUESTION = "How many days of notice does the supply contract require?"
CLAUSES = [
    "Either party may end the supply contract with ninety days of written notice.",
    "Notice of the supply contract is given by registered letter to the procurement office.",
    "During the days of notice the supplier keeps delivering under the supply contract.",
]


def contract(place: Path) -> Path:
    """A PDF of two pages whose second one answers the question."""
    canvas = Canvas(str(place))
    canvas.drawString(72, 740, "Supply contract between the customer and the supplier")
    canvas.drawString(72, 700, "The parties agree on the prices and quantities of annex A.")
    canvas.showPage()
    for line, clause in enumerate(CLAUSES):
        canvas.drawString(72, 740 - 60 * line, clause)
    canvas.save()
    return place


def upload(page: Page, file: Path) -> None:
    page.click("#sidebar a[href='/documents/']")
    page.wait_for_url("**/documents/")  # Loaded, scripts and all: what is chosen before nobody hears.
    page.set_input_files("#files", file)
    expect(page.locator("#upload-list .badge.ok")).to_be_visible(timeout=60_000)
    expect(page.locator("#rows .badge.ok")).to_have_count(1)
    page.click("#new-conversation")


def ask(page: Page) -> None:
    page.fill("#message", QUESTION)
    page.keyboard.press("Enter")


def finished(page: Page) -> str:
    """The text of the last answer, once it is complete."""
    answer = page.locator("article.answer").last
    expect(answer.locator("> .tools")).to_be_visible(timeout=60_000)
    return str(answer.evaluate("article => article.dataset.text"))


def stored(page: Page) -> dict[str, Any]:
    """The conversation's last message as the API tells it."""
    path = page.url.split("/c/")[1].strip("/")
    answer = page.evaluate("path => fetch(path).then(answer => answer.json())", f"/api/v1/conversations/{path}/messages/")
    return dict(answer["results"][-1])


def test_a_person_adds_a_pdf_asks_and_opens_the_cited_page(globex: House, sign_in: SignIn, tmp_path: Path) -> None:
    page = sign_in(globex.person("member"))
    upload(page, contract(tmp_path / "Supply contract.pdf"))

    ask(page)
    growing = page.locator("article.answer[aria-busy=true] .prose")
    expect(growing).to_contain_text("“", timeout=30_000)
    early = growing.inner_text()
    text = finished(page)

    assert early.strip() and len(early) < len(text)
    assert text == stored(page)["content"]
    expect(page.locator("details.route.local summary")).to_contain_text("Local")

    chip = page.locator(".prose a.cite").first
    chip.click()
    panel = page.locator("#source")
    expect(panel.locator("h2")).to_have_text("Supply contract.pdf")
    expect(panel.locator("h2")).to_be_focused()
    expect(panel.get_by_text("Same as the source")).to_be_visible()
    picture = panel.locator("figure.leaf img")
    expect(picture).to_have_attribute("src", re.compile(r"/pages/2/$"))
    page.wait_for_function("() => document.querySelector('#source img').naturalWidth > 0")
    assert panel.locator("figure.leaf rect").count() >= 1
    assert "ninety days" in panel.locator("blockquote").inner_text()

    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(chip).to_be_focused()


def test_a_reload_in_mid_answer_loses_and_repeats_nothing(globex: House, sign_in: SignIn, tmp_path: Path) -> None:
    frames: list[list[dict[str, Any]]] = []

    def listen(socket: WebSocket) -> None:
        heard: list[dict[str, Any]] = []
        frames.append(heard)
        socket.on("framereceived", lambda payload: heard.append(json.loads(payload)))

    page = sign_in(globex.person("member"), before=lambda page: page.on("websocket", listen))
    upload(page, contract(tmp_path / "Supply contract.pdf"))
    ask(page)
    expect(page.locator("article.answer[aria-busy=true] .prose p").first).to_be_visible(timeout=30_000)
    page.wait_for_url("**/c/**")

    page.reload()
    assert page.locator("article.answer[data-run]").count() == 1, "the answer was over before the reload"
    text = finished(page)

    after = [frame for frame in frames[-1] if "seq" in frame]
    assert [frame["seq"] for frame in after] == list(range(1, len(after) + 1))
    assert text == "".join(frame["text"] for frame in after if frame["type"] == "delta")
    assert text == stored(page)["content"]
    live = page.locator("article.answer .prose").inner_html()
    page.reload()
    assert page.locator("article.answer .prose").inner_text().split() == _words(page, live)


def _words(page: Page, html: str) -> list[str]:
    """The words of some HTML as the browser lays it out."""
    script = "html => { const box = document.createElement('div'); box.innerHTML = html; document.body.append(box);"
    return str(page.evaluate(f"{script} const text = box.innerText; box.remove(); return text; }}", html)).split()


def test_a_broken_line_resumes_from_the_number_it_has(globex: House, sign_in: SignIn, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []
    heard: list[dict[str, Any]] = []
    lines = 0

    def between(route: WebSocketRoute) -> None:
        nonlocal lines
        lines += 1
        first = lines == cut
        server = route.connect_to_server()

        def to_server(message: str | bytes) -> None:
            asked.append(json.loads(message))
            server.send(message)

        def to_page(message: str | bytes) -> None:
            frame = json.loads(message)
            if first and sum("seq" in known for known in heard) >= 6:
                route.close()
                return
            heard.append(frame)
            route.send(message)

        route.on_message(to_server)
        server.on_message(to_page)

    cut = -1
    page = sign_in(globex.person("member"), before=lambda page: page.route_web_socket("**/ws/", between))
    upload(page, contract(tmp_path / "Supply contract.pdf"))
    expect(page.locator("#message")).to_be_visible()
    cut = lines + 1
    page.reload()

    ask(page)
    text = finished(page)

    events = [frame for frame in heard if "seq" in frame]
    assert lines > cut, "the line was not cut"
    assert [frame["after"] for frame in asked if frame["type"] == "run.follow"] == [6]
    assert [frame["seq"] for frame in events] == list(range(1, len(events) + 1))
    assert text == stored(page)["content"]


def test_stop_ends_the_answer_and_keeps_its_text(globex: House, sign_in: SignIn, tmp_path: Path) -> None:
    page = sign_in(globex.person("member"))
    upload(page, contract(tmp_path / "Supply contract.pdf"))
    ask(page)
    expect(page.locator("article.answer[aria-busy=true] .prose p").first).to_be_visible(timeout=30_000)

    page.get_by_role("button", name="Stop the answer").click()

    text = finished(page)
    expect(page.locator("article.answer").get_by_text("You stopped the answer.")).to_be_visible()
    assert text == stored(page)["content"]
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_hostile_markdown_stays_text(globex: House, sign_in: SignIn) -> None:
    page = sign_in(globex.person("member"))
    hostile = (
        "<img src=x onerror=alert(1)> **bold** [x](javascript:alert(1)) ![p](https://evil.test/?q=1)\n\n<script>alert(1)</script>\n\n"
        "<details open ontoggle=alert(1)>\n\n| a | b |\n|--|-:|\n| 1 | 2 |\n\n[1]: https://evil.test\n\n```html\n</code><script>1</script>\n```"
    )

    html = page.evaluate(
        """async text => {
            const { Prose } = await import('/static/js/render.js');
            const box = document.createElement('div');
            document.body.append(box);
            const prose = new Prose(box);
            for (const piece of text.match(/.{1,3}/gs)) { prose.text += piece; prose.draw(); }
            prose.finish();
            const whole = document.createElement('div');
            const once = new Prose(whole); once.text = text; once.finish();
            return [box.innerHTML, whole.innerHTML];
        }""",
        hostile,
    )

    assert html[0] == html[1], "pieces render as the whole does"
    for forbidden in ("<img", "<script", "<details", 'href="javascript', "<iframe"):
        assert forbidden not in html[0]
    assert "<strong>bold</strong>" in html[0]
    assert '<td class="num">2</td>' in html[0]
