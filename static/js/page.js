// What every page has: keys, confirmations, toasts that leave.

import { nextTheme } from "./theme.js";

const TOAST_MS = 8000;

function inField(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

function step(direction) {
  const messages = [...document.querySelectorAll("#thread article")];
  if (!messages.length) return;
  const at = messages.indexOf(document.activeElement?.closest("article"));
  const next = at < 0 ? (direction > 0 ? 0 : messages.length - 1) : Math.min(Math.max(at + direction, 0), messages.length - 1);
  messages[next].focus();
}

const single = {
  "/": () => (document.getElementById("message") || document.getElementById("query"))?.focus(),
  "?": () => document.getElementById("keys")?.showModal(),
  j: () => step(1),
  k: () => step(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (control && !event.shiftKey && key === "k") {
    event.preventDefault();
    const query = document.getElementById("conversation-query");
    if (query && !query.checkVisibility()) document.getElementById("sidebar").showPopover();
    if (query) query.select();
    else document.getElementById("nav-search")?.click();
  } else if (control && event.shiftKey && key === "o") {
    event.preventDefault();
    document.getElementById("new-conversation")?.click();
  } else if (control && event.shiftKey && key === "l") {
    event.preventDefault();
    nextTheme();
  } else if (!control && !event.altKey && !inField(event.target) && !document.querySelector("dialog[open]") && single[event.key]) {
    event.preventDefault();
    single[event.key]();
  }
});

// A form that destroys asks first; without a script it simply works.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-confirm]");
  const dialog = form && document.getElementById(form.dataset.confirm);
  if (!dialog || form.dataset.sure) return;
  event.preventDefault();
  const title = dialog.querySelector("[data-pattern]");
  if (title && form.dataset.title) title.textContent = title.dataset.pattern.replace("{title}", form.dataset.title);
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") return;
    form.dataset.sure = "yes";
    form.requestSubmit();
  }, { once: true });
  dialog.showModal();
});

function fade(toast) {
  let timer = setTimeout(() => toast.remove(), TOAST_MS);
  const hold = () => clearTimeout(timer);
  const release = () => { timer = setTimeout(() => toast.remove(), TOAST_MS); };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("pointerleave", release);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("focusout", release);
}

const toasts = document.getElementById("toasts");
if (toasts) for (const toast of toasts.children) fade(toast);

/** Show toasts that the server wrote. */
export function showToasts(list) {
  for (const toast of [...list]) {
    toasts?.append(toast);
    fade(toast);
  }
}

/** Say something short that can be undone or needs no answer. Errors are never toasts. */
export function toast(text) {
  const box = document.createElement("div");
  box.className = "toast";
  box.setAttribute("role", "status");
  box.textContent = text;
  toasts?.append(box);
  fade(box);
}
