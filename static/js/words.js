// Texts that scripts say, translated by the server in <template id="words">, <template id="source-words"> and <template id="order-words">.

const table = new Map();
for (const template of document.querySelectorAll("#words, #source-words, #order-words")) {
  for (const entry of template.content.querySelectorAll("[data-word]")) table.set(entry.dataset.word, entry.textContent);
}

/** The text called `name` with `{holes}` filled, or `otherwise` where there is none. */
export function word(name, holes = {}, otherwise = name) {
  const text = table.get(name);
  if (text === undefined) return otherwise;
  return text.replace(/\{(\w+)\}/g, (whole, hole) => (hole in holes ? String(holes[hole]) : whole));
}

/** A copy of what a <template> holds: its first element. */
export function copyOf(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** The element of `root` that a template marks with data-slot. */
export function slot(root, name) {
  return root.querySelector(`[data-slot="${name}"]`);
}

export function icon(name, classes = "icon") {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `${document.body.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}
