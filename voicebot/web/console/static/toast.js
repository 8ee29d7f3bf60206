// A short notice at the edge of the screen; a failure stays until it is closed.

import { t } from "./messages.js";

const STAYS_MS = 6000;

/** `kind`: "", "ok", "warn" or "danger". */
export function toast(text, kind = "") {
  const item = document.createElement("div");
  item.className = kind;
  const words = document.createElement("span");
  words.textContent = text;
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "✕" });
  close.setAttribute("aria-label", t("close"));
  close.addEventListener("click", () => item.remove());
  item.append(words, close);
  document.getElementById("toasts").append(item);
  if (kind !== "danger") setTimeout(() => item.remove(), STAYS_MS);
  return item;
}
