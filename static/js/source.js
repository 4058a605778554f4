// The panel that shows a citation: its page with the passage marked, the quoted words, and whether they equal the source.

import { sourceUrl } from "./render.js";
import { copyOf, slot, word } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = matchMedia("(min-width: 1200px)");
const texts = new Map(); // document → promise of its text

function textOf(id) {
  if (!texts.has(id)) {
    texts.set(id, fetch(`/api/v1/documents/${encodeURIComponent(id)}/text/`, { headers: { Accept: "text/plain" } })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(String(answer.status)))))
      .catch((error) => { texts.delete(id); throw error; }));
  }
  return texts.get(id);
}

/** `text[start:end]` in code points, as the server counts. */
function slice(text, start, end) {
  let units = 0;
  let points = 0;
  let first = 0;
  while (points < end && units < text.length) {
    if (points === start) first = units;
    units += text.codePointAt(units) > 0xffff ? 2 : 1;
    points += 1;
  }
  return text.slice(first, units);
}

function overlay(box, others) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
  svg.setAttribute("aria-hidden", "true");
  const draw = (rects, name) => {
    for (const [x0, y0, x1, y1] of rects) {
      const rect = document.createElementNS(SVG, "rect");
      if (name) rect.setAttribute("class", name);
      for (const [key, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) rect.setAttribute(key, value);
      svg.append(rect);
    }
  };
  for (const other of others) draw(other.rects, "other");
  draw(box.rects, "");
  return svg;
}

export class SourcePanel {
  constructor(panel) {
    this.panel = panel;
    this.opener = null;
    this.passages = [];
    this.at = 0;
    panel.addEventListener("click", (event) => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act === "close") this.close();
      else if (act === "previous") this.show(this.at - 1);
      else if (act === "next") this.show(this.at + 1);
    });
    panel.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.show(this.at - 1);
      else if (event.key === "ArrowRight") this.show(this.at + 1);
    });
    WIDE.addEventListener("change", () => this.cover());
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  /** Show the passage with `number` among an answer's passages; `opener` gets the focus back. */
  open(passages, number, opener) {
    this.opener = opener;
    this.passages = passages;
    this.panel.hidden = false;
    this.panel.dataset.open = "";
    this.panel.dataset.docked = "";
    this.cover();
    this.show(Math.max(passages.findIndex((passage) => passage.number === number), 0));
    slot(this.panel, "title").focus();
  }

  /** While a sheet covers the page, the page is out of reach. */
  cover() {
    document.getElementById("main").inert = this.isOpen && !WIDE.matches;
  }

  close() {
    if (!this.isOpen) return;
    this.panel.hidden = true;
    delete this.panel.dataset.open;
    delete this.panel.dataset.docked;
    this.panel.replaceChildren();
    this.cover();
    this.current(null);
    this.opener?.focus();
  }

  current(number) {
    const answer = this.opener?.closest("article");
    for (const link of answer?.querySelectorAll("[data-cite]") ?? []) {
      if (Number(link.dataset.cite) === number) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  show(at) {
    if (at < 0 || at >= this.passages.length) return;
    this.at = at;
    const focused = document.activeElement?.closest?.("#source [data-act]")?.dataset.act;
    const passage = this.passages[at];
    const filled = document.getElementById("t-source").content.cloneNode(true);
    slot(filled, "title").textContent = passage.title;
    slot(filled, "title").title = passage.title;
    slot(filled, "where").textContent = passage.page ? word("page.of", passage) : "";
    slot(filled, "position").textContent = word("position", { n: at + 1, of: this.passages.length });
    filled.querySelector('[data-act="previous"]').disabled = at === 0;
    filled.querySelector('[data-act="next"]').disabled = at === this.passages.length - 1;
    const quote = slot(filled, "quote");
    quote.textContent = passage.text;
    if (passage.language) quote.lang = passage.language;
    slot(filled, "span").textContent = word("span", passage);
    slot(filled, "open").href = sourceUrl(passage);
    slot(filled, "download").href = `/api/v1/documents/${encodeURIComponent(passage.document)}/file/`;
    const leaf = slot(filled, "leaf");
    if (passage.box) this.page(leaf, passage);
    else leaf.remove();
    const same = slot(filled, "same");
    const different = slot(filled, "different");
    this.panel.replaceChildren(filled);
    this.panel.setAttribute("aria-label", word("source", passage));
    this.current(passage.number);
    if (focused) {
      const button = this.panel.querySelector(`[data-act="${focused}"]:not(:disabled)`);
      (button ?? slot(this.panel, "title")).focus();
    }
    textOf(passage.document)
      .then((text) => { (slice(text, passage.start, passage.end) === passage.text ? same : different).hidden = false; })
      .catch(() => { different.hidden = false; });
  }

  page(leaf, passage) {
    const { box } = passage;
    const image = document.createElement("img");
    image.alt = word("page.alt", passage);
    image.width = Math.round(box.width);
    image.height = Math.round(box.height);
    image.src = `/api/v1/documents/${encodeURIComponent(passage.document)}/pages/${box.page}/`;
    image.addEventListener("error", () => leaf.remove());
    const others = this.passages
      .filter((other) => other !== passage && other.document === passage.document && other.box?.page === box.page)
      .map((other) => other.box);
    leaf.append(image, overlay(box, others));
  }
}
