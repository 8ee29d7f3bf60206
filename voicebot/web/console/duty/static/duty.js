// The duty desk: acts done by the service's own API, and the board that follows what happens.

import { call } from "./api.js";
import { live } from "./live.js";
import { nameOf } from "./messages.js";
import { toast } from "./toast.js";

const DONE = "duty.done";
/** What was done, said on the page that is loaded after it. */

// ── acts: <form data-act data-method data-path data-done> ────────────────────────────

const READ = {
  number: (value) => Number(value),
  bool: (value) => value !== "",
  lines: (value) => value.split(/\s+/).filter(Boolean),
  words: (value) => value.split(/[\s,，、]+/).filter(Boolean),
};

/** The form's fields as the API takes them: what is hidden or empty and not required is left out;
 *  boxes of a list are those that are ticked. */
function body(form) {
  const values = {};
  for (const field of form.elements) {
    const { name, type, value, checked, disabled, required } = field;
    if (!name || disabled || "inPath" in field.dataset || ((type === "checkbox" || type === "radio") && !checked)) continue;
    const kind = field.dataset.as;
    if (kind === "list") (values[name] ??= []).push(value);
    else if (value !== "" || required || kind === "bool") values[name] = (READ[kind] ?? String)(value);
  }
  return values;
}

/** Where the form goes: "{limit}" is the value of its field with data-in-path of this name. */
function pathOf(form) {
  return form.dataset.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(form.elements[name].value));
}

function headers(form) {
  const version = form.querySelector("[data-if-match]")?.value;
  return version === undefined ? {} : { "If-Match": `"${version}"` };
}

async function act(form) {
  const button = form.querySelector("button:not([type=button])");
  const fault = form.querySelector("[data-fault]");
  fault.hidden = true;
  button.disabled = true;
  try {
    const { method, done, then } = form.dataset;
    const answer = await call(method, pathOf(form), body(form), headers(form));
    if (then === "board") {
      button.blur();
      toast(done, "ok");
      return refreshBoard();
    }
    sessionStorage.setItem(DONE, done);
    if (then === "incident") location.assign(`/console/duty/incidents/${answer.incident}`);
    else location.reload();
  } catch (refused) {
    fault.textContent = said(refused);
    fault.hidden = false;
    button.disabled = false;
  }
  return undefined;
}

/** What the service complains of in the page's language, and its own words for the particulars. */
function said({ code, message }) {
  const known = nameOf("duty.problem", code);
  return known === code ? message : `${known} ${message}`;
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-act]")) return;
  event.preventDefault();
  act(event.target);
});

const done = sessionStorage.getItem(DONE);
if (done) {
  sessionStorage.removeItem(DONE);
  toast(done, "ok");
}

// A dialog for one of many rows: <button data-opens data-fills='{"call": "C1"}'>.
document.addEventListener("click", ({ target }) => {
  const opener = target.closest("[data-fills]");
  if (!opener) return;
  const form = document.getElementById(opener.dataset.opens).querySelector("form");
  for (const [name, value] of Object.entries(JSON.parse(opener.dataset.fills))) {
    form.elements[name].value = value;
  }
});

// Fields that only some acts have: <label data-for="dispatch answer">.
function choose(select) {
  for (const label of select.form.querySelectorAll("[data-for]")) {
    const shown = label.dataset.for.split(" ").includes(select.value);
    label.hidden = !shown;
    label.querySelectorAll("input, select, textarea").forEach((each) => { each.disabled = !shown; });
  }
}

document.querySelectorAll("[data-chooses]").forEach((select) => {
  select.addEventListener("change", () => choose(select));
  choose(select);
});

// ── what is still being counted ─────────────────────────────────────────────────────

const counting = document.querySelector("[data-again-after]");
if (counting) setTimeout(() => location.reload(), Number(counting.dataset.againAfter));

// ── the board ───────────────────────────────────────────────────────────────────────

const TOPICS = ["calls", "handoffs", "queue", "surge"];
const AT_MOST_EVERY_MS = 1500;
const AT_LEAST_EVERY_MS = 20_000;
/** Alarms come from the database and tell nobody. */

const board = document.querySelector("[data-board]");
let shown = "", looking = null, again = false;

async function look() {
  let html;
  try {
    const answer = await fetch(board.dataset.board, { headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    html = await answer.text();
  } catch {
    return; // the stream says that it is away, and comes back by itself
  }
  // Not under the hands of who is about to press something.
  if (html === shown || board.contains(document.activeElement)) return;
  shown = html;
  board.innerHTML = html;
}

function refreshBoard() {
  again = true;
  looking ??= run();
  return looking;
}

async function run() {
  while (again) {
    again = false;
    await look();
    await new Promise((resolve) => { setTimeout(resolve, AT_MOST_EVERY_MS * (0.8 + 0.4 * Math.random())); });
  }
  looking = null;
}

if (board) {
  live(TOPICS, refreshBoard, { after: Number(board.dataset.seq) });
  setInterval(refreshBoard, AT_LEAST_EVERY_MS);
}
