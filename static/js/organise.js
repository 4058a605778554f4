// Order beside the page, without leaving it: the menu of a conversation, search while typing, and a way back after deleting.
// Every form and link here works without this script, too.

import { showToasts } from "./page.js";
import { word } from "./words.js";

const PAUSE = 150; // ms after the last key
const dialog = document.getElementById("organise");
const order = document.getElementById("order");
const query = document.getElementById("conversation-query");
const found = document.getElementById("found");
const count = document.getElementById("found-count");

function here() {
  return document.getElementById("thread")?.dataset.conversation ?? "";
}

function fetched(url, options = {}) {
  return fetch(url, { ...options, headers: { "X-Fetched": "1", "X-Here": here(), ...options.headers } });
}

/** Put the lists that the server sent in the place of those here; where the focus was, it stays. */
async function refresh(answer) {
  if (!answer.ok || answer.redirected) {
    location.reload();
    return;
  }
  const parts = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = order.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const live = new Set([...order.querySelectorAll("details:not([open]) summary")].map((summary) => summary.textContent.trim()));
  order.replaceChildren(...parts.querySelector("[data-part=order]").childNodes);
  for (const summary of order.querySelectorAll("summary")) if (live.has(summary.textContent.trim())) summary.parentElement.open = false;
  showToasts(parts.querySelector("[data-part=toasts]").children);
  if (focused) order.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  const current = order.querySelector("a[aria-current=page] .truncate");
  const title = document.getElementById("title");
  if (here() && current && title && title.textContent !== current.textContent) {
    title.textContent = current.textContent;
    document.title = document.title.replace(/^.*?(?= · )/, current.textContent);
  }
}

document.addEventListener("began", async () => {
  refresh(await fetched("/conversations/sidebar/"));
  // The page has become a conversation's: its head has other ways on than that of a new one.
  const answer = await fetch(location.pathname);
  const head = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("header.head");
  if (head) document.querySelector("header.head").replaceWith(head);
});
// The first answer has ended, and where a model writes titles it will soon have written one.
document.addEventListener("ended", async () => {
  for (const pause of document.getElementById("thread")?.dataset.titles === "model" ? [200, 1_000, 4_000, 10_000] : [200]) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    await refresh(await fetched("/conversations/sidebar/"));
  }
});

// ---- the menu of one conversation

document.addEventListener("click", async (event) => {
  if (event.target.closest("#organise [data-close]")) {
    event.preventDefault();
    dialog.close();
    return;
  }
  const link = event.target.closest("a[data-menu]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const answer = await fetched(link.href);
  if (!answer.ok || answer.redirected) {
    location.href = link.href;
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  dialog.replaceChildren(...page.body.childNodes);
  dialog.showModal();
  // The list is made anew meanwhile: the focus goes back to the same link in it.
  const name = link.getAttribute("href");
  dialog.addEventListener("close", () => document.querySelector(`a[data-menu][href="${CSS.escape(name)}"]`)?.focus(), { once: true });
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const undoes = form.closest(".toast");
  if (event.defaultPrevented || !order || !(form.closest("#organise") || undoes)) return;
  // The conversation that the page shows goes: so does the page.
  const conversation = form.closest("#organise")?.querySelector("[data-conversation]").dataset.conversation;
  if (form.matches("[data-deletes]") && conversation === here()) return;
  event.preventDefault();
  const answer = await fetched(form.action, { method: "POST", body: new FormData(form, event.submitter) });
  dialog.close();
  undoes?.remove();
  await refresh(answer);
  if (document.getElementById("thread")) return;
  // On a list the rows have changed, too.
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  document.getElementById("main").replaceChildren(...page.getElementById("main").childNodes);
});

// ---- search while typing

let timer = 0;
let asked = 0;

function close() {
  found.hidden = true;
  found.replaceChildren();
  order.hidden = false;
}

/** A result's text from code point `at` on, its words marked. */
function marked(hit, at) {
  const points = [...hit.text]; // Highlights count code points.
  const parts = [];
  for (const [start, end] of hit.highlights) {
    const mark = document.createElement("mark");
    mark.textContent = points.slice(start, end).join("");
    parts.push(points.slice(at, start).join(""), mark);
    at = end;
  }
  return [...parts, points.slice(at).join("")];
}

function entry(hit) {
  const link = document.createElement("a");
  link.href = `/c/${hit.conversation}/${hit.message ? `#m-${hit.message}` : ""}`;
  const title = document.createElement("span");
  title.className = "truncate";
  link.append(title);
  if (!hit.message) {
    title.append(...marked(hit, 0));
    return link;
  }
  title.textContent = hit.title;
  const text = document.createElement("small");
  text.append(...marked(hit, Math.max(0, (hit.highlights[0]?.[0] ?? 0) - 20)));
  link.append(text);
  return link;
}

async function search() {
  const text = query.value;
  const mine = ++asked;
  if (!text.trim()) {
    close();
    count.textContent = "";
    return;
  }
  const answer = await fetch(`/api/v1/conversations/search/?limit=8&q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
  if (mine !== asked || answer.status === 429) return; // Somebody types faster than the line, or the limiter: the next key asks.
  const hits = answer.ok ? (await answer.json()).results : [];
  const rows = hits.map(entry);
  const said = hits.length ? word(hits.length === 1 ? "found.one" : "found.many", { n: hits.length }) : word("found.none");
  if (rows.length) {
    const all = document.createElement("a");
    all.href = `/conversations/?q=${encodeURIComponent(text)}`;
    all.textContent = word("found.all");
    rows.push(all);
  } else {
    const none = document.createElement("p");
    none.className = "small muted";
    none.textContent = said;
    rows.push(none);
  }
  found.replaceChildren(...rows);
  found.hidden = false;
  order.hidden = true;
  count.textContent = said;
}

query?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE);
});

document.getElementById("conversation-search")?.parentElement.addEventListener("keydown", (event) => {
  const links = [query, ...found.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "Escape" && !found.hidden) {
    event.preventDefault(); // An answer that is being written goes on.
    query.value = "";
    asked += 1;
    close();
    query.focus();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && at >= 0 && !found.hidden) {
    event.preventDefault();
    links[Math.min(Math.max(at + (event.key === "ArrowDown" ? 1 : -1), 0), links.length - 1)].focus();
  }
});
