// What every page does: menu, log-out, HTMX's requests and their failures, running clocks.

import { call, csrf, logIn } from "./api.js";
import { duration } from "./duration.js";
import { t } from "./messages.js";
import "./preferences.js";
import { toast } from "./toast.js";

// ── the menu of narrow screens ──────────────────────────────────────────────────────

const rail = document.getElementById("rail");
const menu = document.getElementById("menu");
let veil = null;

function openMenu(open) {
  rail.classList.toggle("open", open);
  menu.setAttribute("aria-expanded", String(open));
  veil?.remove();
  veil = null;
  if (!open) return;
  veil = Object.assign(document.createElement("button"), { type: "button", className: "veil" });
  veil.setAttribute("aria-label", t("close"));
  veil.addEventListener("click", () => openMenu(false));
  document.body.append(veil);
  rail.querySelector("nav a")?.focus();
}

menu?.addEventListener("click", () => openMenu(!rail.classList.contains("open")));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && veil) {
    openMenu(false);
    menu.focus();
  }
});

// ── the session ─────────────────────────────────────────────────────────────────────

document.querySelector("[data-log-out]")?.addEventListener("click", async () => {
  document.dispatchEvent(new Event("leaving"));  // live streams need not find out by themselves
  try {
    await call("DELETE", "/v1/session");
    location.assign("/console/login");
  } catch (fault) {
    if (fault.status !== 401) toast(fault.message, "danger");
  }
});

// ── HTMX ────────────────────────────────────────────────────────────────────────────

document.body.addEventListener("htmx:configRequest", ({ detail }) => {
  detail.headers["X-CSRF-Token"] = csrf();
});

document.body.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
  if (xhr.status === 401) return logIn();
  return toast(wordsOf(xhr), "danger");
});

document.body.addEventListener("htmx:sendError", () => toast(t("away"), "danger"));

function wordsOf(xhr) {
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  if (type.includes("json")) {
    try {
      return JSON.parse(xhr.responseText).message;
    } catch {
      return t("failed");
    }
  }
  const text = type.includes("html")
    ? new DOMParser().parseFromString(xhr.responseText, "text/html").body.textContent.trim() : "";
  return text.slice(0, 300) || t("failed");
}

// ── what scrolls can be scrolled with the keyboard ──────────────────────────────────

const scrolls = new ResizeObserver((entries) => {
  for (const element of new Set(entries.map(({ target }) => target.closest(".scroll")))) {
    if (element === null) continue;  // gone from the page
    const hidden = element.scrollWidth > element.clientWidth
      || element.scrollHeight > element.clientHeight;
    if (hidden) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }
});

function watchScrolls() {
  document.querySelectorAll(".scroll, .scroll > *").forEach((element) => scrolls.observe(element));
}

document.body.addEventListener("htmx:afterSettle", watchScrolls);
watchScrolls();

// ── dialogs: <button data-opens="id">, and <button data-closes> within ───────────────

document.addEventListener("click", ({ target }) => {
  const opener = target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  if (target.closest("[data-closes]")) target.closest("dialog")?.close();
});

// ── clocks: <time data-since="epoch seconds"> counts up ─────────────────────────────

function tick() {
  const now = Date.now() / 1000;
  document.querySelectorAll("[data-since]").forEach((element) => {
    const text = duration(now - Number(element.dataset.since));
    if (element.textContent !== text) element.textContent = text;
  });
}

setInterval(tick, 1000);
tick();
