// Sharing in a dialog instead of on its page, and links that are copied. Without a script the page does the same.

import { toast } from "./page.js";

function dress(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
}

async function open(link) {
  const url = new URL(link.href);
  url.searchParams.set("part", "1");
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) {
    location.assign(link.href);
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", link.textContent.trim());
  const body = document.createElement("div");
  body.className = "dialog-body";
  const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-share-panel]");
  body.append(document.adoptNode(part));
  dialog.append(body);
  part.querySelector("[data-share-close]").hidden = false;
  dress(dialog);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-share]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    await open(link);
    return;
  }
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  toast(button.dataset.copied);
});

dress(document);
