// Logging in: a name and a password, or an access token of first start.

import { t } from "./messages.js";
import "./preferences.js";

const form = document.getElementById("login");
const fault = document.getElementById("fault");
const other = document.getElementById("other");
let way = "password";

function show(next) {
  way = next;
  form.querySelectorAll("[data-with]").forEach((field) => {
    field.hidden = field.dataset.with !== way;
    const input = field.querySelector("input");
    input.disabled = field.hidden;
    input.required = !field.hidden;
  });
  [other.textContent, other.dataset.other] = [other.dataset.other, other.textContent];
  form.querySelector("input:not([disabled])").focus();
}

function showFault(text) {
  fault.hidden = !text;
  fault.textContent = text;
}

/** Only ever back to a page of ours. */
function destination() {
  const { next } = form.dataset;
  return next.startsWith("/console/") ? next : "/console/";
}

other.addEventListener("click", () => {
  showFault("");
  show(way === "password" ? "token" : "password");
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  showFault("");
  const given = Object.fromEntries(new FormData(form));
  const button = form.querySelector('button[type="submit"]');
  button.disabled = true;
  try {
    const answer = await fetch("/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(given),
    });
    if (answer.ok) return location.replace(destination());
    const known = await answer.json().catch(() => ({}));
    showFault(answer.status === 401 ? t(`login.${way}_wrong`) : known.message ?? t("failed"));
  } catch {
    showFault(t("away"));
  } finally {
    button.disabled = false;
  }
  return form.querySelector('input[type="password"]:not([disabled])').select();
});

form.querySelector("input:not([disabled])").focus();
