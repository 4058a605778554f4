// A part of the page that renews itself while it says that there is more to come.
const PAUSE = 500; // ms
const LONGEST = 8000; // ms between two tries while the server does not answer

async function follow(place) {
  let pause = PAUSE;
  while (place.querySelector("[data-more]")) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    try {
      const answer = await fetch(place.dataset.progress, { headers: { Accept: "text/html" }, redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      place.replaceChildren(...fresh.body.childNodes);
      pause = PAUSE;
    } catch {
      pause = Math.min(pause * 2, LONGEST);
    }
  }
}

document.querySelectorAll("[data-progress]").forEach(follow);
