// Language and light or dark, kept in cookies that the server reads: no page flashes.

const YEAR_S = 365 * 24 * 3600;
const THEMES = ["auto", "light", "dark"];

function keep(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/console; Max-Age=${YEAR_S}; SameSite=Strict${secure}`;
}

document.querySelectorAll("[data-language]").forEach((button) => {
  button.addEventListener("click", () => {
    keep("voicebot_language", button.dataset.language);
    location.reload();
  });
});

document.querySelectorAll("[data-theme-switch]").forEach((button) => {
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    keep("voicebot_theme", next);
    location.reload();
  });
});
