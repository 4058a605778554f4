"""Sharing in a dialog, the copy that others see, and an import that a worker reads while its page looks on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from assistants.conversations import sharing
from tests.browser.conftest import SignIn
from tests.browser.test_accessibility import violations
from tests.conftest import Live
from tests.conversations.test_moving import a_tree, document
from tests.conversations.test_sharing import conversation_of
from tests.people import House

pytestmark = pytest.mark.browser


def allow(house: House, allowed: bool) -> None:
    admin = house.person("admin")
    user = admin.user
    with admin.acting():
        sharing.set_public_links(actor=user, allowed=allowed)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_a_person_shares_and_brings_in(
    acme: House, paced: Live, sign_in: SignIn, browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    member = acme.person("member")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:  # Playwright's loop stands in the way of queries in this thread.
        row = pool.submit(conversation_of, member).result()
        pool.submit(allow, acme, True).result()
    page = sign_in(member, width=width, scheme=scheme)
    page.goto(paced.url(acme, f"/c/{row.public_id}/"))

    page.locator("a[data-share]").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("#audience-public")).to_be_visible()
    found = violations(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.locator("a[data-share]").click()
    dialog.locator("[data-share-close] button").click()
    expect(dialog).to_have_count(0)
    page.locator("a[data-share]").click()
    dialog.locator("#audience-public").check()
    dialog.get_by_role("button", name=re.compile("Make a link|Créer un lien")).click()
    page.wait_for_url("**/share/")
    link = page.locator("input[readonly]").input_value()
    found += violations(page)
    page.goto(paced.url(acme, f"/c/{row.public_id}/"))
    expect(page.locator(".who")).to_contain_text(re.compile("Anyone with the link|Quiconque a le lien"))

    anonymous = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    reader = anonymous.new_page()
    reader.goto(link)
    expect(reader.locator("article.answer .prose")).to_contain_text("It swims")
    found += violations(reader)
    reader.screenshot(path=str(tmp_path / "shared.png"), full_page=True)
    anonymous.close()

    file = tmp_path / "large.json"
    file.write_bytes(document([a_tree(number, "x" * 4000) for number in range(200)]))
    page.goto(paced.url(acme, "/settings/conversations/"))
    found += violations(page)
    page.set_input_files("#import-file", file)
    page.locator("form[enctype] button").click()
    page.wait_for_url("**/imports/*/")
    expect(page.locator(".notice.ok")).to_contain_text("200", timeout=60_000)  # It looks again by itself.
    found += violations(page)
    for form in ("json", "md"):  # Streamed, in parts, by the real server.
        size, names = page.evaluate(
            """async (form) => {
              const body = new Uint8Array(await (await fetch(`/api/v1/conversations/export/?format=${form}`)).arrayBuffer());
              const view = new DataView(body.buffer);
              return [body.length, view.getUint16(body.length - 12, true)];
            }""",
            form,
        )
        assert size > 20_000 and names == (1 if form == "json" else 201)
    for path in ("/settings/conversations/", "/settings/", f"/c/{row.public_id}/share/", f"/c/{row.public_id}/"):
        page.goto(paced.url(acme, path))
        assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, path
    with ThreadPoolExecutor(1) as pool:
        pool.submit(allow, acme, False).result()
    assert found == []
