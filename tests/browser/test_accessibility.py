"""axe-core finds nothing on the pages people use, narrow and wide, light and dark."""

from __future__ import annotations

from pathlib import Path

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.conftest import Live
from tests.people import PASSWORD, House

pytestmark = pytest.mark.browser


def violations(page: Page) -> list[str]:
    # Without `preload` axe does not put the page's style sheets into it again, which the content policy forbids.
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [f"{page.url} {rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_pages_have_no_violation(acme: House, paced: Live, sign_in: SignIn, width: int, scheme: str) -> None:
    page = sign_in(acme.person("admin"), width=width, scheme=scheme)
    found = violations(page)
    page.fill("#message", "Is there anything here?")
    page.keyboard.press("Enter")
    expect(page.locator("article.answer > .tools")).to_be_visible(timeout=60_000)
    found += violations(page)
    for path in (
        "/conversations/",
        "/conversations/bin/",
        "/documents/",
        "/search/?q=notice",
        "/settings/",
        "/settings/second-factor/",
        "/admin/",
        "/admin/accounts/user/",
        "/admin/accounts/user/add/",
        "/admin/accounts/group/add/",
        "/admin/accounts/signinpolicy/",
        "/admin/accounts/oidcprovider/add/",
        "/admin/profiles/assistant/add/",
        "/admin/gateway/provideraccount/add/",
        "/admin/gateway/provideraccount/health/",
        "/admin/gateway/budget/add/",
        "/admin/gateway/usagerecord/",
        "/admin/conversations/feedback/",
        "/admin/audit/auditevent/",
        "/admin/audit/readingpolicy/",
        "/admin/conversations/retentionpolicy/1/change/",
        "/admin/audit/wallreport/",
        "/admin/documents/document/",
    ):
        page.goto(paced.url(acme, path))
        found += violations(page)
        sideways = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways <= 0, f"{path} scrolls sideways by {sideways} px at {width}"
    page.goto(paced.url(acme, "/admin/audit/wallreport/"))
    page.locator(".page-head button.primary").click()
    expect(page.locator("table.tries").first).to_be_visible(timeout=60_000)  # It follows by itself.
    found += violations(page)
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.context.clear_cookies()
    for path in ("/login/", "/password/forgotten/"):
        page.goto(paced.url(acme, path))
        found += violations(page)

    assert found == []


@pytest.mark.parametrize("width", [390, 1440])
def test_keys_shares_and_the_second_factor_have_no_violation(
    acme: House, paced: Live, sign_in: SignIn, complaints: list[str], tmp_path: Path, width: int
) -> None:
    page = sign_in(acme.person("member2"), width=width)
    page.goto(paced.url(acme, "/settings/"))
    page.fill("#key-name", f"Script {width}")
    page.locator("#cles button.btn:not(.small)").click()
    expect(page.locator("#made-key")).to_be_in_viewport()
    found = violations(page)
    page.goto(paced.url(acme, "/documents/"))
    note = tmp_path / f"note {width}.md"
    note.write_text("# A note\n\nWhat is shared with a few.\n")
    page.set_input_files("#files", note)
    expect(page.locator("#rows .badge.ok").first).to_be_visible(timeout=60_000)
    page.get_by_role("link", name=note.name).click()
    page.select_option("#share-with", index=1)
    page.locator("#share form.stack-s button").click()
    expect(page.locator("#share form button.quiet")).to_be_visible()
    found += violations(page)

    page.goto(paced.url(acme, "/settings/second-factor/"))
    secret = page.locator("main code").first.inner_text()
    page.fill("#code", pyotp.TOTP(secret).now())
    page.fill("#password", PASSWORD)
    page.click("button[value=enable]")
    codes = page.locator("#codes code").all_inner_texts()
    found += violations(page)
    page.context.clear_cookies()
    page.goto(paced.url(acme, "/login/"))
    page.fill("#email", acme.person("member2").email)
    page.fill("#password", PASSWORD)
    page.click("form.stack button")
    page.fill("#code", codes[0])
    found += violations(page)
    page.click("form.stack button")
    page.wait_for_url(paced.url(acme))
    page.goto(paced.url(acme, "/settings/second-factor/"))
    found += violations(page)
    page.fill("#code", codes[1])
    page.click("button[value=disable]")
    page.wait_for_url("**/settings/#securite")

    assert found == []


def test_a_page_reads_without_a_script(acme: House, browser: object, paced: Live) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(paced.url(acme, "/login/"))
    page.fill("#email", acme.person("member").email)
    page.fill("#password", PASSWORD)
    page.click("form.stack button")
    page.fill("#message", "Is there anything here?")
    page.click("button.send")
    page.wait_for_url("**/c/**")
    for _try in range(50):
        if page.locator("article.answer > .tools").count():
            break
        page.wait_for_timeout(200)
        page.reload()

    assert page.locator("article.answer .prose").inner_text().strip()
    context.close()
