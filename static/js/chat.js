// The chat page, live: it sends over the page's socket, follows runs and renders answers as they arrive.

import { Attachments } from "./attach.js";
import { Branches, fill } from "./branches.js";
import { Choices } from "./choices.js";
import { toast } from "./page.js";
import { Prose, sourceName, sourceUrl } from "./render.js";
import { PageSocket } from "./socket.js";
import { SourcePanel } from "./source.js";
import { copyOf, icon, slot, word } from "./words.js";

const RESUMED_MS = 4000;
const SPOKEN_LOSS_MS = 1500; // a line that is back sooner was not missed
const DRAFT = "draft";

const form = document.getElementById("composer");
const field = document.getElementById("message");
const thread = document.getElementById("thread");
const status = document.getElementById("status");
const notices = document.getElementById("notices");
const button = form.querySelector(".send");
const panel = new SourcePanel(document.getElementById("source"));
const socket = new PageSocket();
const choices = new Choices(form);
const attachments = new Attachments({ form, field, say });
const answers = new Map(); // run → Answer, while it grows
let conversation = thread.dataset.conversation || null;
let sending = false;

function say(text) {
  status.textContent = text;
}

function atEnd() {
  return innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
}

function toEnd() {
  scrollTo({ top: document.documentElement.scrollHeight });
}

function showNotice(id) {
  const notice = copyOf(id);
  notices.replaceChildren(notice);
  return notice;
}

// ---- an answer while it grows

class Answer {
  constructor(article, run) {
    this.article = article;
    this.run = run;
    this.citations = [];
    this.folds = article.querySelector(".folds");
    this.line = article.querySelector(".progress-line");
    this.place = article.querySelector(".prose");
    this.prose = null;
    article.setAttribute("aria-busy", "true");
  }

  begin() {
    // What the server rendered stays until the same text has come over the line.
    if (!this.prose) {
      this.prose = new Prose(this.place);
      this.prose.know(this.citations);
    }
    return this.prose;
  }

  tell(event) {
    const follow = atEnd();
    const act = {
      routing: () => this.routed(event),
      retrieval: () => this.retrieved(event),
      delta: () => this.begin().add(event.text),
      "run.completed": () => this.end("completed", event),
      "run.failed": () => this.end("failed", event),
      "run.stopped": () => this.end("stopped", event),
      "run.interrupted": () => this.end("interrupted", event),
    }[event.type];
    act?.();
    if (follow) requestAnimationFrame(() => requestAnimationFrame(toEnd));
  }

  routed(event) {
    if (event.route === "refused") {
      this.refused = event.reasons ?? [];
      return;
    }
    this.folds.querySelector(".route")?.remove(); // Another model may have taken over.
    const badge = copyOf({ cloud: "t-route-cloud", pseudonymised: "t-route-masked" }[event.route] ?? "t-route-local");
    const link = slot(badge, "sent");
    if (link) link.href = `/c/${conversation}/sent/${event.run}/`;
    slot(badge, "model").textContent = event.model_name || event.model || "";
    for (const reason of event.reasons ?? []) {
      const text = word(`reason.${reason}`, {}, "");
      if (!text) continue;
      const item = document.createElement("li");
      item.append(icon("info", "icon icon-s"), document.createTextNode(` ${text}`));
      badge.querySelector("ul").append(item);
    }
    this.folds.prepend(badge);
    say(word("searching"));
  }

  retrieved(event) {
    this.citations = event.citations;
    this.prose?.know(event.citations);
    if (this.folds.querySelector(".steps")) return;
    const steps = copyOf("t-steps");
    const documents = new Set(event.citations.map((citation) => citation.document)).size;
    const name = event.citations.length === 1 ? "read.single" : (["read.none", "read.one"][documents] ?? "read");
    slot(steps, "summary").textContent = word(name, { documents, passages: event.citations.length });
    slot(steps, "search").textContent = word("search.step");
    const seconds = (event.seconds ?? 0).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 });
    slot(steps, "time").textContent = word("seconds", { n: seconds });
    this.folds.append(steps);
    say(word("answering"));
  }

  end(kind, event) {
    const prose = this.begin();
    prose.finish();
    this.line?.remove();
    this.article.removeAttribute("aria-busy");
    delete this.article.dataset.run;
    const used = prose.used().map((number) => prose.found.get(number));
    this.article.dataset.citations = JSON.stringify(used);
    if (kind === "completed" && event.grounded === false) this.article.append(copyOf("t-unsourced"));
    if (used.length) this.article.append(sources(used));
    if (kind !== "completed") this.article.append(this.ending(kind, event));
    // Where the server knew the answer while it grew, it gave the tools along, with the versions beside it.
    const kept = this.article.querySelector("[data-kept]");
    const tools = kept?.firstElementChild ?? fill(copyOf("t-tools"), this.article.id.slice(2));
    kept?.remove();
    const now = new Date();
    tools.querySelector("time").dateTime = now.toISOString();
    tools.querySelector("time").textContent = now.toISOString().slice(11, 16);
    this.article.append(tools);
    this.article.dataset.text = prose.text;
    answers.delete(this.run);
    refreshButton();
    if (!answers.size && this.article.closest(".two")) branches.refresh(); // Now one of them is kept.
    const words = prose.text.split(/\s+/).filter(Boolean).length;
    if (thread.querySelectorAll(".answer").length === 1) document.dispatchEvent(new Event("ended")); // organise.js looks for a title.
    say(kind === "completed" ? word("done", { words, sources: used.length }) : word(kind));
  }

  ending(kind, event) {
    const box = fill(copyOf(`t-${kind}`), this.article.id.slice(2));
    if (!this.prose?.text) box.querySelector("[data-act=continue]").remove();
    if (kind === "failed") {
      box.querySelector("strong").textContent = word(`error.${event.code}`, {}, word("error.internal"));
      box.querySelector("code").textContent = event.code;
      const why = slot(box, "reasons");
      const texts = (this.refused ?? []).filter((reason) => reason !== event.code).map((reason) => word(`reason.${reason}`, {}, ""));
      why.replaceChildren(...texts.filter(Boolean).map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }));
      why.hidden = !why.children.length;
    }
    return box;
  }
}

function sources(citations) {
  const list = document.createElement("ol");
  list.className = "sources";
  list.setAttribute("aria-label", word("sources"));
  for (const citation of citations) {
    const link = document.createElement("a");
    link.href = sourceUrl(citation);
    link.dataset.cite = citation.number;
    const number = document.createElement("span");
    number.className = "cite";
    number.setAttribute("aria-hidden", "true");
    number.textContent = citation.number;
    const title = document.createElement("span");
    title.className = "truncate";
    title.textContent = citation.title;
    const where = document.createElement("span");
    where.className = "where";
    where.textContent = citation.page ? word("page", citation) : "";
    link.append(number, " ", title, " ", where);
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  return list;
}

function follow(article, run, ask) {
  const answer = new Answer(article, run);
  answers.set(run, answer);
  socket.follow(run, (event) => answer.tell(event), 0, ask);
  refreshButton();
}

// ---- asking

function refreshButton() {
  const stops = answers.size > 0;
  const name = stops ? button.dataset.stop : button.dataset.send;
  if (button.getAttribute("aria-label") === name) return;
  button.setAttribute("aria-label", name);
  button.title = name;
  button.querySelector("use").setAttribute("href", `${document.body.dataset.icons}#${stops ? "square" : "arrow-up"}`);
}

function stopAll() {
  for (const run of answers.keys()) socket.stop(run);
}

async function ask(content) {
  if (sending || answers.size || !content.trim()) return;
  sending = true;
  document.getElementById("welcome")?.remove();
  thread.hidden = false;
  const question = copyOf("t-ask");
  question.querySelector("p").textContent = content.trim();
  thread.append(question);
  toEnd();
  notices.replaceChildren();
  try {
    const accepted = await socket.send({
      content,
      ...(conversation ? { conversation } : choices.chosen),
      ...(!conversation && form.elements.assistant.value ? { assistant: form.elements.assistant.value } : {}),
      ...(choices.models.length ? { models: choices.models } : {}),
      ...(attachments.ids.length ? { attachments: attachments.ids } : {}),
    });
    sessionStorage.removeItem(DRAFT);
    choices.asked();
    const attached = attachments.taken();
    if (attached) question.prepend(attached);
    fill(question, accepted.message.id);
    form.dispatchEvent(new Event("sent")); // drafts.js forgets what was kept at the server.
    question.id = `m-${accepted.message.id}`;
    if (accepted.runs) {
      if (!conversation) began(accepted);
      await branches.refresh();
      toEnd();
      return;
    }
    const article = copyOf("t-answer");
    article.id = `m-${accepted.answer.id}`;
    const name = article.querySelector("strong");
    name.id = `a-${accepted.answer.id}`;
    article.setAttribute("aria-labelledby", name.id);
    thread.append(article);
    if (!conversation) began(accepted);
    follow(article, accepted.run.id, false);
    toEnd();
  } catch (error) {
    question.remove();
    field.value = field.value || content;
    refuse(error.field === "attachments" ? "attachments" : (error.code ?? ""), error.detail ?? "");
    field.focus();
  } finally {
    sending = false;
  }
}

function refuse(code, detail = "") {
  const notice = showNotice("t-refused");
  slot(notice, "what").textContent = word(`error.${code}`, {}, detail);
  slot(notice, "code").textContent = code;
}

/** The first message made a conversation: the page becomes its page. */
function began(accepted) {
  conversation = accepted.conversation;
  thread.dataset.conversation = conversation;
  form.elements.conversation.value = conversation;
  history.pushState({}, "", `/c/${conversation}/`);
  const title = document.createElement("h1");
  title.id = "title";
  title.className = "truncate";
  title.textContent = accepted.title;
  document.getElementById("title").replaceWith(title);
  document.title = document.title.replace(/^.*?(?= · )/, accepted.title);
  for (const link of document.querySelectorAll("#recent [aria-current]")) link.removeAttribute("aria-current");
  const link = document.createElement("a");
  link.href = `/c/${conversation}/`;
  link.setAttribute("aria-current", "page");
  const text = document.createElement("span");
  text.className = "truncate";
  text.textContent = accepted.title;
  link.append(text);
  const item = document.createElement("li");
  item.append(link);
  today().prepend(item);
  document.dispatchEvent(new Event("began")); // organise.js gives the new row its menu.
}

/** The list of today's conversations, which the first one of the day begins. */
function today() {
  const known = document.getElementById("today");
  if (known) return known;
  const recent = document.getElementById("recent");
  if (!recent.querySelector("ul")) recent.replaceChildren();
  const heading = document.createElement("h2");
  heading.className = "nav-title";
  heading.textContent = word("today");
  const group = document.createElement("ul");
  group.id = "today";
  recent.prepend(heading, group);
  return group;
}

form.noValidate = true; // An empty field must not keep the button from stopping an answer.
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (answers.size) {
    stopAll();
    return;
  }
  const content = field.value;
  if (attachments.isBusy) {
    refuse("attachments", word("attach.wait"));
    return;
  }
  if (!content.trim() && attachments.ids.length) refuse("empty_message");
  if (!content.trim() || sending) return;
  field.value = "";
  ask(content);
});

field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.altKey) return;
  event.preventDefault();
  if (!answers.size) form.requestSubmit();
});

field.addEventListener("input", () => sessionStorage.setItem(DRAFT, field.value));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open], :popover-open")) return;
  if (panel.isOpen) panel.close();
  else stopAll();
});

document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-cite], [data-act=copy], [data-starter]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (target.matches("[data-starter]")) {
    event.preventDefault();
    field.value = target.textContent;
    field.focus();
  } else if (target.matches("[data-cite]")) {
    const passages = passagesOf(target.closest("article"));
    const number = Number(target.dataset.cite);
    if (!passages.some((passage) => passage.number === number)) return;
    event.preventDefault();
    panel.open(passages, number, target);
  } else {
    const article = target.closest("article");
    const text = article.dataset.text ?? article.querySelector(".prose, .ask-body").innerText;
    await navigator.clipboard?.writeText(text);
    toast(word("copied"));
  }
});

function passagesOf(article) {
  const growing = [...answers.values()].find((answer) => answer.article === article);
  if (growing) return growing.citations;
  return JSON.parse(article.dataset.citations || "[]");
}

// ---- the line

let speaking = 0;
let spoken = false;

socket.addEventListener("lost", () => {
  speaking = setTimeout(() => {
    spoken = true;
    showNotice("t-lost");
  }, SPOKEN_LOSS_MS);
});

socket.addEventListener("resumed", () => {
  clearTimeout(speaking);
  if (!spoken) return;
  spoken = false;
  const notice = showNotice("t-resumed");
  setTimeout(() => notice.remove(), RESUMED_MS);
});

socket.addEventListener("signed-out", () => {
  clearTimeout(speaking);
  showNotice("t-signed-out");
});

addEventListener("popstate", () => location.reload());

// ---- what the server rendered

function adopt() {
  for (const article of thread.querySelectorAll("article[data-run]")) follow(article, article.dataset.run, true);
  refreshButton();
}

function leave() {
  answers.clear();
}

const branches = new Branches({ thread, field, leave, adopt, refuse, say });
adopt();
if (!field.value) field.value = sessionStorage.getItem(DRAFT) ?? "";
if (thread.children.length) toEnd();
