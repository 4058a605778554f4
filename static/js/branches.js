// Versions of a message, edits, "again", "continue", thumbs: the page's plain forms, sent from here, and the thread that
// the server shows afterwards put in the place of the old one.

import { Attachments } from "./attach.js";
import { toast } from "./page.js";
import { copyOf, word } from "./words.js";

const NIL = "00000000-0000-0000-0000-000000000000";
const GROWS = new Set(["regenerate", "again", "continue", "edit"]);

/** Give what a template made, whose addresses name nothing yet, the id of its message. */
export function fill(element, id) {
  for (const name of ["action", "formaction", "href", "id", "for"]) {
    for (const each of [element, ...element.querySelectorAll(`[${name}]`)]) {
      const value = each.getAttribute(name);
      if (value?.includes(NIL)) each.setAttribute(name, value.replaceAll(NIL, id));
    }
  }
  return element;
}

export class Branches {
  /** `leave` forgets the answers that grow, `adopt` follows those that the thread now holds, `refuse(code, detail)` says what failed. */
  constructor({ thread, field, leave, adopt, refuse, say }) {
    Object.assign(this, { thread, field, leave, adopt, refuse, say });
    this.attachments = new WeakMap(); // of a form that edits a question
    this.busy = false; // with what the person asked for: the same button pressed twice is pressed once
    this.refreshing = Promise.resolve();
    thread.addEventListener("submit", (event) => this.submitted(event));
    thread.addEventListener("click", (event) => this.clicked(event));
    thread.addEventListener("keydown", (event) => this.typed(event));
    document.addEventListener("keydown", (event) => this.pressed(event));
    this.takeForms();
  }

  /** Forms of edits that the server has rendered, with a tick for each attachment. */
  takeForms() {
    for (const form of this.thread.querySelectorAll("form.edit")) this.attach(form, [...form.querySelectorAll("[data-attached]")]);
  }

  attach(form, kept) {
    this.attachments.set(form, new Attachments({ form, field: form.elements.content, say: this.say, kept }));
  }

  async submitted(event) {
    const form = event.target;
    if (form.method !== "post") return;
    event.preventDefault();
    const button = event.submitter;
    const body = new FormData(form);
    if (button?.name) body.append(button.name, button.value);
    const attachments = this.attachments.get(form);
    if (attachments?.isBusy) {
      this.refuse("attachments", word("attach.wait"));
      return;
    }
    body.delete("files"); // They have come with their own requests.
    for (const id of attachments?.ids ?? []) body.append("attachments", id);
    const action = button?.hasAttribute("formaction") ? button.formAction : form.action;
    const act = form.matches(".edit") ? "edit" : (button?.dataset.act ?? "");
    await this.show(() => fetch(action, { method: "POST", body: new URLSearchParams(body) }), () => this.focus(act, action));
  }

  /** The thread as the server has it now. */
  refresh() {
    this.refreshing = this.put(() => fetch(location.pathname), () => {});
    return this.refreshing;
  }

  /** What the person asked for. A thread that is being shown anew at that moment is waited for, never a reason to forget it. */
  async show(ask, then) {
    if (this.busy) return;
    this.busy = true;
    try {
      await this.refreshing;
      await this.put(ask, then);
    } finally {
      this.busy = false;
    }
  }

  async put(ask, then) {
    try {
      const answer = await ask();
      if (answer.status === 429) {
        this.refuse("rate_limited");
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const thread = page.getElementById("thread");
      if (!answer.ok || !thread) {
        location.reload(); // Signed out, or gone: the page says so.
        return;
      }
      this.leave();
      this.thread.replaceChildren(...thread.childNodes);
      for (const said of page.querySelectorAll("#toasts .toast")) toast(said.textContent);
      this.takeForms();
      this.adopt();
      then();
    } catch {
      this.refuse("unavailable");
    }
  }

  /** Where the person was, or where something new stands. */
  focus(act, action) {
    const id = action.match(/messages\/([0-9a-f-]{36})\//)?.[1];
    const article = GROWS.has(act) ? [...this.thread.querySelectorAll("article.answer")].at(-1) : document.getElementById(`m-${id}`);
    if (!article) return;
    const other = { previous: "following", following: "previous" }[act];
    const places = [act, other].map((name) => article.querySelector(`[data-act="${name}"]:not(:disabled)`));
    (GROWS.has(act) ? article : (places.find(Boolean) ?? article)).focus({ preventScroll: true });
    article.scrollIntoView({ block: "nearest" });
  }

  clicked(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const target = event.target.closest("[data-act=edit], [data-act=leave-edit]");
    if (!target) return;
    event.preventDefault();
    const article = target.closest("article");
    if (target.dataset.act === "edit") this.edit(article);
    else this.leaveEdit(article);
  }

  edit(article) {
    if (!article || article.querySelector("form.edit")) return;
    const form = fill(copyOf("t-edit"), article.id.slice(2));
    const text = form.elements.content;
    text.value = article.querySelector(".ask-body p").textContent;
    const kept = [...article.querySelectorAll("[data-attached]")];
    for (const part of article.children) part.hidden = true;
    article.append(form);
    this.attach(form, kept);
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
  }

  leaveEdit(article) {
    const form = article.querySelector("form.edit");
    this.attachments.get(form)?.leave();
    if (!article.querySelector(".ask-body")) {
      this.refresh(); // The server rendered the form alone.
      return;
    }
    form.remove();
    for (const part of article.children) part.hidden = false;
    article.querySelector("[data-act=edit]").focus();
  }

  typed(event) {
    const form = event.target.closest("form.edit");
    if (!form || event.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      this.leaveEdit(form.closest("article"));
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  }

  /** Keys that act on the message in focus, and the way back to the last question from an empty composer. */
  pressed(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === this.field) {
      if (event.key !== "ArrowUp" || this.field.value) return;
      event.preventDefault();
      this.edit([...this.thread.querySelectorAll("article.ask")].at(-1));
      return;
    }
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    const act = { "[": "previous", "]": "following", c: "copy" }[event.key];
    const button = act && document.activeElement?.closest("article")?.querySelector(`[data-act="${act}"]:not(:disabled)`);
    if (!button) return;
    event.preventDefault();
    button.click();
  }
}

/** The name of a number of folders. */
export function folders(n) {
  return n ? word(n === 1 ? "folders.one" : "folders.some", { n }) : word("folders.all");
}
