// Markdown as it arrives: block by block, cleaned, without pictures from elsewhere. The server renders stored
// answers the same way (assistants/conversations/rendering.py).

import { Marked } from "../vendor/marked.esm.js";
import DOMPurify from "../vendor/purify.es.mjs";
import { word } from "./words.js";

const SAFE_URL = /^(?:https?:|mailto:)/i;
const CLEAN = {
  ALLOWED_TAGS: ["p", "br", "hr", "strong", "em", "s", "code", "pre", "figure", "div", "ul", "ol", "li", "blockquote",
    "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "a"],
  ALLOWED_ATTR: ["href", "class", "rel", "target", "data-cite", "aria-label", "tabindex", "role", "start"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

function escape(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function outside(url, text) {
  if (!SAFE_URL.test(url.trim())) return text;
  return `<a href="${escape(url.trim())}" rel="external noopener noreferrer nofollow" target="_blank">${text}</a>`;
}

/** Where a citation's source is shown without a script. */
export function sourceUrl(citation) {
  return `/documents/${encodeURIComponent(citation.document)}/?start=${citation.start}&end=${citation.end}`;
}

export function sourceName(citation) {
  return word(citation.page ? "source.page" : "source", citation);
}

function chip(citation) {
  const { number } = citation;
  return `<a class="cite" href="${escape(sourceUrl(citation))}" data-cite="${number}" aria-label="${escape(sourceName(citation))}">${number}</a>`;
}

/** A parser whose `[n]` are chips of the citations in `found` (a Map by number). */
function parser(found) {
  const cite = {
    name: "cite",
    level: "inline",
    start: (text) => text.search(/ ?\[\d{1,3}\]/),
    tokenizer(text) {
      const match = /^ ?\[(\d{1,3})\](?!\()/.exec(text);
      if (match && found.has(Number(match[1]))) return { type: "cite", raw: match[0], number: Number(match[1]) };
      return undefined;
    },
    renderer: (token) => `\u00a0${chip(found.get(token.number))}`,
  };
  const nothing = () => undefined;
  return new Marked({
    gfm: true,
    extensions: [cite],
    tokenizer: { html: nothing, tag: nothing, def: nothing, reflink: nothing, url: nothing },
    renderer: {
      html: ({ text }) => escape(text),
      del({ tokens }) { return `<s>${this.parser.parseInline(tokens)}</s>`; },
      heading({ tokens, depth }) {
        const level = Math.min(depth + 1, 6);
        return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
      },
      link({ href, tokens }) { return outside(href, this.parser.parseInline(tokens)); },
      image: ({ href, text }) => outside(href, escape(text || href)),
      code: ({ text }) => `<figure class="code"><pre tabindex="0"><code>${escape(text)}\n</code></pre></figure>`,
      checkbox: ({ checked }) => (checked ? "[x] " : "[ ] "),
      tablecell(token) {
        const tag = token.header ? "th" : "td";
        return `<${tag}${token.align === "right" ? ' class="num"' : ""}>${this.parser.parseInline(token.tokens)}</${tag}>`;
      },
      table(token) {
        const row = (cells) => `<tr>${cells.map((cell) => this.tablecell(cell)).join("")}</tr>`;
        const body = token.rows.length ? `<tbody>${token.rows.map(row).join("")}</tbody>` : "";
        return `<div class="scroll" tabindex="0" role="region" aria-label="${escape(word("table"))}"><table><thead>${row(token.header)}</thead>${body}</table></div>`;
      },
    },
  });
}

/** Renders a growing text into `place`: finished blocks are never touched again, only the last one changes. */
export class Prose {
  constructor(place) {
    this.place = place;
    this.text = "";
    this.done = 0; // up to here the blocks are finished
    this.open = []; // the nodes of the block that still grows
    this.found = new Map();
    this.marked = parser(this.found);
    this.waiting = false;
    place.replaceChildren();
  }

  /** Citations that `[n]` may mean; they come before the text. */
  know(citations) {
    for (const citation of citations) this.found.set(citation.number, citation);
  }

  add(text) {
    this.text += text;
    if (this.waiting) return;
    this.waiting = true;
    // One rendering per frame, however many pieces arrived; a hidden page has no frames.
    if (document.hidden) queueMicrotask(() => this.draw());
    else requestAnimationFrame(() => this.draw());
  }

  draw(last = false) {
    this.waiting = false;
    const tokens = this.marked.lexer(this.text.slice(this.done));
    let end = tokens.length;
    if (!last) {
      while (end > 0 && tokens[end - 1].type === "space") end -= 1;
      end = Math.max(end - 1, 0);
    }
    for (const node of this.open) node.remove();
    this.open = [];
    for (const token of tokens.slice(0, end)) {
      this.place.append(this.nodes([token]));
      this.done += token.raw.length;
    }
    const rest = this.nodes(tokens.slice(end));
    this.open = [...rest.childNodes];
    this.place.append(rest);
    this.place.querySelector(".caret")?.classList.remove("caret");
    const caret = this.open.findLast((node) => node instanceof HTMLParagraphElement);
    if (!last && caret) caret.classList.add("caret");
  }

  /** The text is complete. */
  finish() {
    this.draw(true);
  }

  nodes(tokens) {
    return DOMPurify.sanitize(this.marked.parser(tokens), CLEAN);
  }

  /** The numbers of the citations that the text uses, in order. */
  used() {
    const numbers = new Set([...this.text.matchAll(/\[(\d{1,3})\]/g)].map((match) => Number(match[1])));
    return [...numbers].filter((number) => this.found.has(number)).sort((a, b) => a - b);
  }
}
