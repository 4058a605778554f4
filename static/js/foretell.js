// While somebody writes: where the message would be answered, and which personal data decide it. Nothing is sent to a model.

import { icon, word } from "./words.js";

const PAUSE = 400; // ms after the last key
const LEAST = 4; // characters
const GLYPHS = { local: "route-local", cloud: "route-cloud", pseudonymised: "route-masked", refused: "lock" };
const form = document.getElementById("composer");
const field = document.getElementById("message");
const line = document.getElementById("verdict");
let timer = 0;
let asked = "";
let attachments = []; // ids

function show(told) {
  // That an ordinary message stays inside goes without saying.
  if (!told || (told.route === "local" && !told.sensitive)) {
    line.hidden = true;
    line.replaceChildren();
    return;
  }
  line.className = `verdict ${told.route === "pseudonymised" ? "masked" : told.route}`;
  const why = told.reasons.find((reason) => reason.includes(":")) ?? told.reasons.find((reason) => reason.startsWith("needs_"));
  const text = [word(`foretell.${told.route}`), why ? word(`reason.${why}`, {}, "") : ""].join(" ").trim();
  if (!line.hidden && line.textContent.trim() === text) return; // Read aloud once, not at every key.
  line.replaceChildren(icon(GLYPHS[told.route] ?? "info"), ` ${text}`);
  line.hidden = false;
}

async function ask() {
  const content = field.value.trim();
  const asking = JSON.stringify([content, attachments]);
  if (asking === asked) return;
  asked = asking;
  if (content.length < LEAST && !attachments.length) {
    show(null);
    return;
  }
  const conversation = form.elements.conversation.value;
  const headers = { "X-CSRFToken": document.body.dataset.csrf, "Content-Type": "application/json", Accept: "application/json" };
  const body = JSON.stringify({ content, ...(conversation ? { conversation } : {}), ...(attachments.length ? { attachments } : {}) });
  try {
    const answer = await fetch("/api/v1/routing/preview/", { method: "POST", headers, body });
    if (asked === asking) show(answer.ok ? await answer.json() : null);
  } catch {
    show(null);
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE);
}

field.addEventListener("input", soon);
form.addEventListener("attached", ({ detail }) => {
  attachments = detail;
  soon();
});
form.addEventListener("sent", () => { attachments = []; });
for (const name of ["sent", "submit"]) {
  form.addEventListener(name, () => {
    clearTimeout(timer);
    asked = "";
    show(null);
  });
}
