// Adding documents with progress, and a list that stays current while they are read.

import { copyOf, slot, word } from "./words.js";

const AT_ONCE = 2;
const PAUSES = [700, 1000, 1000, 1500, 2000, 3000, 5000]; // ms between two looks
const MEGABYTE = 1_000_000;

const page = document.getElementById("documents");
const drop = document.getElementById("drop");
const input = document.getElementById("files");
const card = document.getElementById("uploads");
const list = document.getElementById("upload-list");
const status = document.getElementById("status");
const uploads = [];
let spoken = "";

function amount(bytes) {
  return (bytes / MEGABYTE).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 });
}

function headers() {
  return { "X-CSRFToken": document.body.dataset.csrf, Accept: "application/json" };
}

class Upload {
  constructor(file) {
    this.file = file;
    this.state = "waiting";
    this.item = copyOf("t-upload");
    this.bar = this.item.querySelector("progress");
    this.bar.setAttribute("aria-label", word("progress", { name: file.name }));
    slot(this.item, "name").textContent = file.name;
    this.say(word("waiting"));
    this.item.querySelector("[data-act=cancel]").addEventListener("click", () => this.cancel());
    list.append(this.item);
  }

  say(text, danger = false) {
    const line = slot(this.item, "state");
    line.textContent = text;
    line.classList.toggle("danger", danger);
  }

  get isOver() {
    return ["ready", "failed", "cancelled"].includes(this.state);
  }

  send() {
    this.state = "sending";
    const body = new FormData();
    body.append("file", this.file, this.file.name);
    if (page.dataset.folder) body.append("folder", page.dataset.folder);
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("POST", "/api/v1/documents/");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      this.bar.value = (event.loaded / event.total) * 100;
      this.say(word("sending", { done: amount(event.loaded), size: amount(event.total) }));
    });
    request.addEventListener("error", () => this.fail("network"));
    request.addEventListener("load", () => this.sent(request));
    request.send(body);
  }

  sent(request) {
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // A server in front of ours answered.
    }
    if (request.status >= 400) {
      this.fail(request.status === 413 ? "too_large" : answer.code ?? "network", answer.detail);
      return;
    }
    this.id = answer.id;
    this.state = "reading";
    this.bar.removeAttribute("value");
    this.show(answer);
    next();
    watch();
  }

  show(document_) {
    this.request = null;
    if (document_.status === "ready") {
      this.over("ready", copyOf("t-ready"));
      this.say(word("ready"));
    } else if (document_.status === "failed") {
      this.fail(document_.error_code);
    } else if (document_.status === "queued") {
      this.say(word("queued"));
    } else {
      const { pages_done: n, pages_total: of, progress } = document_;
      this.bar.value = progress;
      this.say(of && n < of ? word("reading.page", { n, of }) : word("reading", { n: progress }));
    }
    summarise();
  }

  fail(code, detail) {
    this.over("failed");
    this.say(word(`error.${code}`, {}, detail ?? word("error.internal")), true);
    summarise();
    next();
  }

  over(state, badge = null) {
    this.state = state;
    this.bar.remove();
    const button = this.item.querySelector("[data-act=cancel]");
    if (badge) button?.replaceWith(badge);
    else button?.remove();
  }

  cancel() {
    this.request?.abort();
    if (this.id) fetch(`/api/v1/documents/${this.id}/`, { method: "DELETE", headers: headers() }).then(() => refresh());
    this.over("cancelled");
    this.say(word("cancelled"));
    summarise();
    next();
  }
}

function next() {
  const sending = uploads.filter((upload) => upload.state === "sending").length;
  const waiting = uploads.filter((upload) => upload.state === "waiting");
  for (const upload of waiting.slice(0, AT_ONCE - sending)) upload.send();
}

function summarise() {
  const count = (state) => uploads.filter((upload) => upload.state === state).length;
  const open = uploads.filter((upload) => !upload.isOver).length;
  const text = word("summary", { ready: count("ready"), open, failed: count("failed") });
  document.getElementById("uploads-summary").textContent = text;
  if (text !== spoken) status.textContent = spoken = text;
}

function add(files) {
  if (!files.length) return;
  card.hidden = false;
  for (const file of files) uploads.push(new Upload(file));
  summarise();
  next();
}

// ---- the list stays current

let looks = 0;
let timer = 0;

function unfinished() {
  const ids = new Set(uploads.filter((upload) => upload.state === "reading").map((upload) => upload.id));
  for (const row of document.querySelectorAll('tr[data-status="queued"], tr[data-status="processing"]')) ids.add(row.id.slice(2));
  return ids;
}

function watch() {
  looks = 0;
  clearTimeout(timer);
  timer = setTimeout(look, PAUSES[0]);
}

async function look() {
  const ids = unfinished();
  if (!ids.size) return;
  await refresh();
  looks += 1;
  timer = setTimeout(look, PAUSES[Math.min(looks, PAUSES.length - 1)]);
}

/** The page's own list again: new rows appear, known ones change, gone ones leave. */
async function refresh() {
  let fresh;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return; // No network: the next look will tell.
  }
  const focused = document.activeElement?.closest("tr")?.id;
  const old = document.getElementById("list").closest("section");
  const renewed = fresh.getElementById("list")?.closest("section");
  if (!renewed) return;
  const before = document.getElementById("rows");
  const after = renewed.querySelector("#rows");
  if (before && after) {
    document.getElementById("list").textContent = renewed.querySelector("#list").textContent;
    const kept = new Set();
    let place = before.firstElementChild;
    for (const row of [...after.children]) {
      kept.add(row.id);
      const known = document.getElementById(row.id);
      if (known?.isEqualNode(row) || (known && known.id === focused)) {
        place = known.nextElementSibling;
      } else if (known) {
        place = known.nextElementSibling;
        known.replaceWith(row);
      } else {
        before.insertBefore(row, place);
      }
    }
    for (const row of [...before.children]) if (!kept.has(row.id)) row.remove();
  } else {
    old.replaceWith(renewed);
  }
  await Promise.all(uploads.filter((upload) => upload.state === "reading").map(async (upload) => {
    const answer = await fetch(`/api/v1/documents/${upload.id}/`, { headers: headers() }).catch(() => null);
    if (answer?.ok) upload.show(await answer.json());
  }));
}

// ---- doors

if (drop) {
  const text = document.getElementById("drop-text");
  const idle = text.textContent;
  document.getElementById("plain-upload").hidden = true;
  input.hidden = true;
  const choose = document.querySelector("[data-act=choose]");
  if (choose) {
    choose.hidden = false;
    choose.addEventListener("click", () => input.click());
  }
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  drop.addEventListener("submit", (event) => event.preventDefault());
  let depth = 0;
  const over = (is) => {
    drop.classList.toggle("over", is);
    text.textContent = is ? drop.dataset.over : idle;
  };
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth += 1;
    over(true);
  });
  addEventListener("dragleave", () => {
    depth = Math.max(depth - 1, 0);
    if (!depth) over(false);
  });
  addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    depth = 0;
    over(false);
    add([...event.dataTransfer.files]);
  });
}

const folderDialog = document.getElementById("new-folder");
document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act === "new-folder") folderDialog?.showModal();
  else if (act === "cancel-folder") folderDialog?.close();
  else if (act === "hide-uploads") card.hidden = true;
});

if (unfinished().size) watch();
