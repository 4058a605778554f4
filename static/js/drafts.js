// What is written and not sent is kept at the server, so that another device goes on with it. Without a line the copy of
// this device (chat.js) stays. A temporary chat keeps nothing.

const PAUSE = 800; // ms after the last key
const LEAVING = 15_000; // characters: browsers send no more than 64 KiB after a page has gone
const form = document.getElementById("composer");
const field = document.getElementById("message");
const temporary = document.querySelector("[data-temporary]") !== null;
let timer = 0;
let last = Promise.resolve(); // One request after another: a late save must not come after the removal.

function path() {
  const conversation = form.elements.conversation.value;
  return conversation ? `/api/v1/conversations/${conversation}/draft/` : "/api/v1/drafts/new/";
}

function send(url, method, text) {
  const headers = { "X-CSRFToken": document.body.dataset.csrf, "Content-Type": "application/json", Accept: "application/json" };
  last = last
    .then(() => fetch(url, { method, headers, keepalive: (text?.length ?? 0) < LEAVING, ...(method === "PUT" ? { body: JSON.stringify({ text }) } : {}) }))
    .then((answer) => {
      if (answer.ok && method === "PUT" && field.value === text) sessionStorage.removeItem("draft");
    })
    .catch(() => {}); // No network: the next key tries again.
}

function save() {
  clearTimeout(timer);
  timer = 0;
  send(path(), "PUT", field.value);
}

if (temporary) {
  field.addEventListener("input", () => sessionStorage.removeItem("draft")); // Not on this device either.
} else {
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && timer) save();
  });
  form.addEventListener("sent", () => {
    clearTimeout(timer);
    timer = 0;
    send(path(), "DELETE");
    if (field.value.trim()) timer = setTimeout(save, PAUSE); // The next question is being written already.
  });
}
