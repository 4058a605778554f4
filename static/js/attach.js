// Attachments of the question that is being written: chosen, dropped or pasted, sent at once, and named by the message.

import { copyOf, slot, word } from "./words.js";

const MOST = 10;
const MEGABYTE = 1_000_000;

function amount(bytes) {
  return (bytes / MEGABYTE).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 });
}

function headers() {
  return { "X-CSRFToken": document.body.dataset.csrf, Accept: "application/json" };
}

class Attaching {
  /** `changed()` is called when it is ready, has failed, or is gone. */
  constructor(file, list, changed) {
    Object.assign(this, { file, changed, made: null, failed: false });
    this.item = copyOf("t-attaching");
    this.bar = this.item.querySelector("progress");
    this.bar.setAttribute("aria-label", file.name);
    slot(this.item, "name").textContent = file.name;
    const remove = this.item.querySelector("[data-act=detach]");
    remove.setAttribute("aria-label", word("attach.remove", { name: file.name }));
    remove.addEventListener("click", () => this.remove());
    list.append(this.item);
    this.send();
  }

  get isBusy() {
    return !this.made && !this.failed;
  }

  say(text, danger = false) {
    const line = slot(this.item, "state");
    line.textContent = text;
    line.classList.toggle("danger", danger);
  }

  send() {
    const body = new FormData();
    body.append("file", this.file, this.file.name);
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("POST", "/api/v1/attachments/");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      this.bar.value = (event.loaded / event.total) * 100;
      this.say(word("attach.sending", { done: amount(event.loaded), size: amount(event.total) }));
    });
    request.upload.addEventListener("load", () => {
      this.bar.removeAttribute("value");
      this.say(word("attach.reading"));
    });
    request.addEventListener("error", () => this.fail(word("error.unavailable")));
    request.addEventListener("load", () => this.answered(request));
    request.send(body);
  }

  answered(request) {
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // A server in front of ours answered.
    }
    if (request.status !== 201) {
      this.fail(answer.detail || word(request.status === 413 ? "attach.large" : "error.unavailable"));
      return;
    }
    this.made = answer;
    this.bar.remove();
    this.say(word("attach.ready"));
    this.changed();
  }

  fail(text) {
    this.failed = true;
    this.bar.remove();
    this.say(text, true);
    this.changed();
  }

  /** Nothing is going to name it: the server need not keep it. */
  leave() {
    this.request.abort();
    if (this.made) fetch(`/api/v1/attachments/${this.made.id}/`, { method: "DELETE", headers: headers() }).catch(() => {});
    this.failed = true;
  }

  remove() {
    this.leave();
    this.item.remove();
    this.changed(this);
  }
}

/** One that the question had before: it is kept until somebody takes it away. */
class Kept {
  constructor({ attached: id, name }, list, changed) {
    Object.assign(this, { changed, made: { id, name }, failed: false, isBusy: false, item: copyOf("t-attaching") });
    this.item.querySelector("progress").remove();
    slot(this.item, "state").remove();
    slot(this.item, "name").textContent = name;
    const remove = this.item.querySelector("[data-act=detach]");
    remove.setAttribute("aria-label", word("attach.remove", { name }));
    remove.addEventListener("click", () => this.remove());
    list.append(this.item);
  }

  remove() {
    this.item.remove();
    this.changed(this);
  }

  leave() {}
}

export class Attachments {
  /** `say(text)` tells what happens to who does not see it. `kept` are elements that name what the question had, for an edit. */
  constructor({ form, field, say, kept = null }) {
    Object.assign(this, { form, field, say, all: [] });
    this.list = form.querySelector(".uploads");
    this.input = form.querySelector("input[type=file]");
    this.input.closest("label").hidden = true;
    this.button = form.querySelector("[data-act=attach]");
    this.button.hidden = false;
    this.button.addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => {
      this.add([...this.input.files]);
      this.input.value = "";
      field.focus();
    });
    field.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      if (!files.length || event.clipboardData.types.includes("text/plain")) return;
      event.preventDefault();
      this.add(files);
    });
    this.takeDropped(kept ? form : window);
    if (!kept) {
      // Chosen before this script was there: nobody heard of it, and the question would leave without.
      if (this.input.files.length) this.input.dispatchEvent(new Event("change"));
      return;
    }
    this.list.replaceChildren();
    for (const { dataset } of kept) this.all.push(new Kept(dataset, this.list, (gone) => this.changed(gone)));
    this.list.hidden = !this.all.length;
  }

  /** What is dropped on `place`, unless something within has taken it. */
  takeDropped(place) {
    const { form } = this;
    const isOurs = (event) => event.dataTransfer?.types.includes("Files") && !event.defaultPrevented;
    place.addEventListener("dragover", (event) => {
      form.classList.toggle("over", isOurs(event));
      if (isOurs(event)) event.preventDefault();
    });
    place.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget || !(place === window || form.contains(event.relatedTarget))) form.classList.remove("over");
    });
    place.addEventListener("drop", (event) => {
      form.classList.remove("over");
      if (!isOurs(event)) return;
      event.preventDefault();
      this.add([...event.dataTransfer.files]);
      this.field.focus();
    });
  }

  get ids() {
    return this.all.filter((each) => each.made).map((each) => each.made.id);
  }

  get isBusy() {
    return this.all.some((each) => each.isBusy);
  }

  add(files) {
    this.all = this.all.filter((each) => !each.failed || each.item.isConnected);
    for (const file of files) {
      if (this.all.filter((each) => !each.failed).length >= MOST) {
        this.say(word("attach.most", { n: MOST }));
        break;
      }
      this.list.hidden = false;
      this.all.push(new Attaching(file, this.list, (gone) => this.changed(gone)));
    }
  }

  changed(gone) {
    if (gone) {
      this.all = this.all.filter((each) => each !== gone);
      this.field.focus();
    }
    this.list.hidden = !this.all.length;
    if (this.all.length && !this.isBusy) this.say(word("attach.count", { n: this.ids.length }));
    this.form.dispatchEvent(new CustomEvent("attached", { detail: this.ids })); // foretell.js counts them in.
  }

  /** No question is asked. */
  leave() {
    for (const each of this.all) each.leave();
    this.all = [];
  }

  /** The message has them now. Returns what stands above its question, or null. */
  taken() {
    const made = this.all.filter((each) => each.made).map((each) => each.made);
    this.all = [];
    this.list.replaceChildren();
    this.list.hidden = true;
    if (!made.length) return null;
    const shown = copyOf("t-attached");
    for (const each of made) {
      const item = copyOf(`t-attached-${each.kind}`);
      Object.assign(item.dataset, { attached: each.id, name: each.name });
      const address = `/api/v1/attachments/${each.id}/file/`;
      for (const link of item.querySelectorAll("a")) link.href = address;
      for (const player of item.querySelectorAll("img, audio")) player.src = address;
      item.querySelector("img")?.setAttribute("alt", each.name);
      item.querySelector("audio")?.setAttribute("aria-label", each.name);
      const name = slot(item, "name");
      if (name) name.textContent = each.name;
      shown.append(item);
    }
    return shown;
  }
}
