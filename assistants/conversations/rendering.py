"""Answers as HTML, for pages that are read without a script: Markdown without raw HTML, cleaned, citations as chips.

`static/js/render.js` gives the same for text that is still arriving.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

import nh3
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

MARKER = re.compile(r" ?\[(\d{1,3})\]")
NO_BREAK = "\u00a0"
TAGS = set("p br hr strong em s code pre figure div ul ol li blockquote h2 h3 h4 h5 h6 table thead tbody tr th td a".split())
ATTRIBUTES = {
    "a": {"href", "title", "class", "rel", "target", "data-cite", "aria-label"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "figure": {"class"},
    "pre": {"tabindex"},
    "ol": {"start"},
    "th": {"class"},
    "td": {"class"},
}
SCHEMES = {"http", "https", "mailto"}

# Signs of Markdown, as far as a piece of a text shows them: its beginning and end may lie outside.
RULED = re.compile(r"^[ \t]*(?:(?:```|~~~).*|\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*)$\n?", re.MULTILINE)
LED = re.compile(r"^[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|[-*+][ \t]+)?", re.MULTILINE)
ROW = re.compile(r"^[ \t]*\|(.*?)\|?[ \t]*$", re.MULTILINE)
BAR = re.compile(r"[ \t]*(?<!\\)\|[ \t]*")
LINKED = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]*(?:[ \t]+\"[^\"\n]*\")?\)")
STRESSED = re.compile(
    r"""(?<!\\)(?:
      \*\*+ | ~~ | `+
    | (?<![\w*])\*(?=\w) | (?<=[\w.,!?:;)»])\*(?![\w*])
    | (?<!\w)__?(?=\w) | (?<=\w)__?(?!\w)
    )""",
    re.VERBOSE,
)
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def source_url(citation: Mapping[str, Any]) -> str:
    """The page that shows a citation's passage marked in its document."""
    span = {"start": citation["start"], "end": citation["end"]}
    return f"{reverse('document', args=[citation['document']])}?{urlencode(span)}"


Link = Callable[[Mapping[str, Any]], str]


def chip(citation: Mapping[str, Any], link: Link = source_url) -> str:
    """A citation's number as a link to its source."""
    number, title, page = citation["number"], citation["title"], citation.get("page")
    name = _("Source {number}: {title}, page {page}") if page else _("Source {number}: {title}")
    label = name.format(number=number, title=title, page=page)
    return f'<a class="cite" href="{escape(link(citation))}" data-cite="{number}" aria-label="{escape(label)}">{number}</a>'


def render_answer(text: str, citations: Sequence[Mapping[str, Any]], link: Link = source_url) -> SafeString:
    """`text` as clean HTML. `[n]` becomes a chip where `citations` has that number; an image becomes a link."""
    chips = {citation["number"]: chip(citation, link) for citation in citations}
    html = _markdown().render(text, {"chips": chips, "table": escape(_("Table"))})
    clean = nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=None)
    return mark_safe(clean)  # noqa: S308 (cleaned on the line above)


def plain(piece: str) -> str:
    """A piece of a Markdown text as it reads: without its signs, a table's cells with spaces between."""
    text = LED.sub("", RULED.sub("", piece))
    text = ROW.sub(lambda row: BAR.sub("  ", row[1]).strip(), text)
    return ESCAPED.sub(r"\1", STRESSED.sub("", LINKED.sub(r"\1", text)))


def _permitted(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in SCHEMES
    except ValueError:
        return False


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    # A line such as "[1]: …" must not swallow what the text cites.
    parser.disable(["reference", "html_block", "html_inline"])
    parser.validateLink = _permitted  # type: ignore[method-assign]
    rules: dict[str, Any] = {
        "text": _text,
        "link_open": _link_open,
        "image": _image,
        "heading_open": _heading,
        "heading_close": _heading,
        "table_open": lambda t, i, o, env: f'<div class="scroll" tabindex="0" role="region" aria-label="{env["table"]}"><table>',
        "table_close": lambda t, i, o, env: "</table></div>",
        "th_open": _cell,
        "td_open": _cell,
        "fence": _code,
        "code_block": _code,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, lambda _self, *args, _rule=rule: _rule(*args))
    return parser


def _text(tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]) -> str:
    def marker(match: re.Match[str]) -> str:
        found: str | None = env["chips"].get(int(match[1]))
        return f"{NO_BREAK}{found}" if found else match[0]

    return MARKER.sub(marker, escape(tokens[index].content, quote=False))


def _link_open(tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]) -> str:
    return _open_link(tokens[index].attrs.get("href", ""))


def _open_link(url: str) -> str:
    return f'<a href="{escape(url)}" rel="external noopener noreferrer nofollow" target="_blank">'


def _image(tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]) -> str:
    """Nothing is fetched from elsewhere: the picture's address becomes a link."""
    url = str(tokens[index].attrs.get("src", ""))
    return f"{_open_link(url)}{escape(tokens[index].content or url)}</a>"


def _heading(tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]) -> str:
    token = tokens[index]
    level = min(int(token.tag[1]) + 1, 6)
    return f"<h{level}>" if token.nesting == 1 else f"</h{level}>\n"


def _cell(tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]) -> str:
    token = tokens[index]
    return f'<{token.tag} class="num">' if "right" in str(token.attrs.get("style", "")) else f"<{token.tag}>"


def _code(tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]) -> str:
    return f'<figure class="code"><pre tabindex="0"><code>{escape(tokens[index].content)}</code></pre></figure>\n'
