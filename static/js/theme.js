// Light, dark or the system's: a cookie that the server reads, so that nothing flashes.

const ORDER = ["", "light", "dark"];
const YEAR = 365 * 24 * 3600;

export function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${name}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
}

export function nextTheme() {
  const now = document.documentElement.dataset.theme || "";
  setTheme(ORDER[(ORDER.indexOf(now) + 1) % ORDER.length]);
}

for (const choice of document.querySelectorAll('input[name="theme"]')) {
  choice.addEventListener("change", () => setTheme(choice.value));
}
