// The composer's menus: which model answers, which folders are searched, who answers side by side.

import { folders } from "./branches.js";
import { slot, word } from "./words.js";

export class Choices {
  constructor(form) {
    this.form = form;
    for (const menu of form.querySelectorAll("details.pick")) {
      menu.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !menu.open) return;
        event.preventDefault();
        menu.open = false;
        menu.querySelector("summary").focus();
      });
    }
    document.addEventListener("click", (event) => {
      for (const menu of form.querySelectorAll("details.pick[open]")) if (!menu.contains(event.target)) menu.open = false;
    });
    form.addEventListener("change", (event) => this.changed(event.target));
    const models = form.querySelector("#pick-model");
    models.addEventListener("toggle", () => models.open && this.refresh());
  }

  /** Which models can be chosen now. Until that is known, and where it cannot be, the menu is as it was. */
  async refresh() {
    try {
      const answer = await fetch("/api/v1/models/");
      if (!answer.ok) return;
      const rows = (await answer.json()).results;
      for (const row of rows) this.offer(row.id, row.unavailable);
    } catch {
      // Offline: a model that cannot answer is refused when it is asked.
    }
  }

  /** Shows whether a model can be chosen. What has been chosen stays so, and the focus where it is. */
  offer(id, why) {
    for (const input of this.form.querySelectorAll("[name=model], [name=beside]")) {
      if (input.value !== id) continue;
      const label = input.closest("label");
      label.classList.toggle("muted", Boolean(why));
      input.disabled = Boolean(why) && !input.checked && input !== document.activeElement;
      const note = label.querySelector(".price");
      if (note) note.textContent = why ? `${note.dataset.always}, ${word(`unavailable.${why}`)}` : note.dataset.always;
    }
  }

  ticked(name) {
    return [...this.form.querySelectorAll(`[name="${name}"]:checked`)].map((box) => box.value);
  }

  /** What a conversation's turns use: the same fields as the API's. */
  get chosen() {
    const within = this.ticked("folders");
    return { model: this.ticked("model")[0] ?? "", folders: within.length ? within : null };
  }

  /** Those who answer the next question side by side. */
  get models() {
    const beside = this.ticked("beside");
    return beside.length > 1 ? beside.slice(0, 3) : [];
  }

  asked() {
    for (const box of this.form.querySelectorAll('[name="beside"]:checked')) box.checked = false;
    for (const menu of this.form.querySelectorAll("details.pick[open]")) menu.open = false;
  }

  changed(input) {
    if (input.name === "folders") slot(this.form, "folders").textContent = folders(this.ticked("folders").length);
    if (input.name === "model") {
      slot(this.form, "model").textContent = input.dataset.name;
      const glyph = slot(this.form, "glyph");
      const locality = input.closest("label").dataset.locality ?? "local";
      glyph.className = `${locality} glyph`;
      glyph.querySelector("use")?.setAttribute("href", `${document.body.dataset.icons}#route-${locality}`);
    }
    const conversation = this.form.elements.conversation.value;
    if (!conversation || !["folders", "model"].includes(input.name)) return;
    fetch(`/api/v1/conversations/${conversation}/`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.form.elements.csrfmiddlewaretoken.value },
      body: JSON.stringify(this.chosen),
    }).catch(() => {});
  }
}
