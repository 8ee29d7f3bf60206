// The knowledge desk: entries saved without overwriting anybody, reviewed, published, heard.

import { call, csrf, logIn, Refused } from "./api.js";
import { t } from "./messages.js";
import { toast } from "./toast.js";

const CHARACTERS_PER_SECOND = 4.5;
const LOOK_MS = 400;

/** What a refusal is called here; a code without a message of its own says the service's. */
const wordsOf = ({ code, message }) => (t(`kb.fault.${code}`) === `kb.fault.${code}` ? message : t(`kb.fault.${code}`));

const element = (name, text = "", className = "") =>
  Object.assign(document.createElement(name), { textContent: text, className });

// ── what has been done is said on the page that shows it ─────────────────────────────

const SAID = "knowledge.said";

function goAndSay(path, text) {
  sessionStorage.setItem(SAID, text);
  if (path === location.pathname + location.search) location.reload();
  else location.assign(path);
}

const said = sessionStorage.getItem(SAID);
if (said) {
  sessionStorage.removeItem(SAID);
  toast(said, "ok");
}

// ── an entry's form ──────────────────────────────────────────────────────────────────

const form = document.getElementById("entry");

function valuesOf(given) {
  const values = {};
  for (const field of given.querySelectorAll("input[name], textarea[name], select[name]")) {
    values[field.name] = "lines" in field.dataset
      ? field.value.split("\n").map((line) => line.trim()).filter(Boolean) : field.value.trim();
  }
  return values;
}

function tellFault(where, fault) {
  const [, name] = fault.code === "kb.form_refused" ? /^(\w+): /.exec(fault.message) ?? [] : [];
  const beside = name && where.querySelector(`[data-error="${name}"]`);
  where.querySelectorAll("[data-error]").forEach((each) => { each.hidden = true; });
  const whole = where.querySelector("[data-fault]");
  whole.hidden = Boolean(beside);
  (beside ?? whole).textContent = beside
    ? fault.message.slice(name.length + 2) : wordsOf(fault);
  if (beside) {
    beside.hidden = false;
    const field = where.elements[name];
    field.closest("details")?.setAttribute("open", "");
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

async function save(submit, version) {
  const { method, path } = form.dataset;
  const headers = {
    "Content-Type": "application/json", "X-CSRF-Token": csrf(), "Accept-Language": document.documentElement.lang,
  };
  if (method === "PUT") headers["If-Match"] = `"${version}"`;
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, body: JSON.stringify({ ...valuesOf(form), submit }), cache: "no-store",
    });
  } catch {
    throw new Refused(0, { code: "away", message: t("away") });
  }
  const told = await answer.json();
  if (answer.status === 401) logIn();
  if (answer.status === 412) return showConflict(told, submit, version);
  if (!answer.ok) throw new Refused(answer.status, told);
  return goAndSay(`/console/knowledge/entries/${encodeURIComponent(told.id)}`, t("kb.saved"));
}

function fill(values) {
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements[name];
    field.value = Array.isArray(value) ? value.join("\n") : value;
  }
}

function showConflict(told, submit, seen) {
  const box = form.querySelector("[data-conflict]");
  const head = element("p", t("kb.changed_meanwhile", { who: told.who, version: told.version, seen }), "strong");
  const list = element("dl", "", "differences");
  for (const change of told.theirs) {
    const value = element("dd");
    for (const { kind, text } of change.pieces) {
      const name = { removed: "del", added: "ins" }[kind];
      value.append(name ? element(name, text) : text);
      if (change.lists) value.append(element("br"));
    }
    list.append(element("dt", t(`kb.field.${change.field}`)), value);
  }
  const buttons = element("div", "", "row");
  const mine = element("button", t("kb.keep_mine", { version: told.version }), "button primary");
  mine.type = "button";
  mine.dataset.keepMine = "";
  mine.addEventListener("click", () => attempt(mine, () => {
    fill(told.merged);
    return save(submit, told.version);
  }));
  const theirs = element("button", t("kb.see_theirs"), "button");
  theirs.type = "button";
  theirs.addEventListener("click", () => location.reload());
  buttons.append(mine, theirs);
  const both = told.both.map((name) => t(`kb.field.${name}`)).join("、");
  box.replaceChildren(
    head, element("p", t("kb.theirs"), "soft"), list,
    ...(both ? [element("p", t("kb.both", { fields: both }), "strong")] : []), buttons,
  );
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
  mine.focus();
}

/** Does it once, however often the button is pressed; what fails is said in the form or a toast. */
async function attempt(button, work) {
  if (button.disabled) return;
  button.disabled = true;
  const where = button.closest("form");
  try {
    await work();
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault;
    if (fault.status === 401) return;
    if (where?.querySelector("[data-fault]")) tellFault(where, fault);
    else toast(wordsOf(fault), "danger");
  } finally {
    button.disabled = false;
  }
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  form.querySelectorAll("[aria-invalid]").forEach((each) => each.removeAttribute("aria-invalid"));
  if (!form.reportValidity()) return;
  const button = event.submitter ?? form.querySelector('button[name="submit"]');
  attempt(button, () => save(button.value === "yes", Number(form.dataset.version)));
});

const answer = form?.elements.answer;
function count() {
  const length = [...answer.value.trim()].length;
  form.querySelector('[data-count="answer"]').textContent =
    t("kb.characters", { count: length, seconds: Math.round(length / CHARACTERS_PER_SECOND) });
}
if (answer) {
  answer.addEventListener("input", count);
  count();
}

// ── steps ────────────────────────────────────────────────────────────────────────────

async function act({ entry, version }, name, why = "") {
  await call("POST", `/v1/knowledge/entries/${encodeURIComponent(entry)}/acts`, {
    act: name, why, ...(version ? { version: Number(version) } : {}),
  });
  goAndSay(location.pathname + location.search, t("kb.saved"));
}

document.querySelectorAll("[data-act-form]").forEach((each) => {
  each.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(event.submitter, () => act(each.dataset, each.dataset.actForm, each.elements.why.value.trim()));
  });
});

async function publish(button) {
  const box = button.closest("section").querySelector("[data-progress]");
  const at = document.getElementById("publish-at")?.value;
  let told = await call("POST", "/v1/knowledge/publications", {
    entries: button.dataset.publish.split(","), ...(at ? { at } : {}),
  });
  box.hidden = false;
  while (!["done", "failed"].includes(told.state)) {
    const bar = box.querySelector("progress");
    if (told.total) bar.value = told.done / told.total;
    else bar.removeAttribute("value");
    box.querySelector("p").textContent = t(`kb.publish.${told.state}`, told);
    await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
    told = await call("GET", `/v1/knowledge/publications/${told.id}`);
  }
  box.hidden = true;
  if (told.state === "failed") throw new Refused(409, told);
  goAndSay(location.pathname + location.search, t("kb.publish.done"));
}

// ── listening ────────────────────────────────────────────────────────────────────────

async function listen(button, asked) {
  const box = button.closest("section, form, .stack").querySelector("[data-listening]");
  box.hidden = false;
  box.replaceChildren(element("p", t("kb.rendering"), "soft"));
  try {
    const told = await call("POST", "/v1/knowledge/spoken", asked);
    const player = Object.assign(document.createElement("audio"), { controls: true, src: told.audio });
    player.setAttribute("aria-label", t("kb.audio", { seconds: told.seconds }));
    const faults = told.findings.map(({ code, level }) =>
      element("span", t(`kb.finding.${code}`), `badge ${level === "error" ? "danger" : "warn"}`));
    box.replaceChildren(player, element("p", t("kb.reading", { reading: told.reading }), "small"), ...faults);
    player.play().catch(() => {});  // where a browser wants a click first, there is one to make
  } catch (fault) {
    box.hidden = true;
    throw fault;
  }
}

// ── files ────────────────────────────────────────────────────────────────────────────

const file = document.getElementById("file");
file?.addEventListener("submit", (event) => {
  event.preventDefault();
  const [chosen] = file.elements.file.files;
  const reading = file.querySelector("[data-reading]");
  attempt(event.submitter, async () => {
    reading.hidden = false;
    try {
      const sent = await fetch(`/v1/knowledge/imports?name=${encodeURIComponent(chosen.name)}`, {
        method: "POST", body: chosen, cache: "no-store",
        headers: { "Content-Type": "application/octet-stream", "X-CSRF-Token": csrf() },
      });
      const told = await sent.json();
      if (sent.status === 401) logIn();
      if (!sent.ok) throw new Refused(sent.status, told);
      location.assign(`/console/knowledge/import?preview=${told.id}`);
    } finally {
      reading.hidden = true;
    }
  });
});

async function confirmImport(button) {
  try {
    const told = await call("POST", `/v1/knowledge/imports/${button.dataset.confirmImport}/confirm`);
    goAndSay("/console/knowledge?show=in_review",
      t("kb.imported", { added: told.added.length, changed: told.changed.length }));
  } catch (fault) {
    if (fault.code !== "kb.preview_outdated") throw fault;
    goAndSay(location.pathname + location.search, t("kb.outdated"));
  }
}

// ── clicks ───────────────────────────────────────────────────────────────────────────

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  const { dataset } = button;
  if (dataset.act) {
    // eslint-disable-next-line no-alert
    if (dataset.asks && !confirm(dataset.asks)) return;
    attempt(button, () => act(dataset, dataset.act));
  } else if (dataset.publish) {
    attempt(button, () => publish(button));
  } else if (dataset.listen) {
    attempt(button, () => listen(button, { entry: dataset.listen, version: Number(dataset.version) }));
  } else if ("listenForm" in dataset) {
    const { answer: text, region } = valuesOf(form);
    attempt(button, () => listen(button, { answer: text, region }));
  } else if (dataset.confirmImport) {
    attempt(button, () => confirmImport(button));
  } else if (dataset.knownGap) {
    attempt(button, async () => {
      await call("POST", "/v1/knowledge/gaps/known", { question: dataset.knownGap });
      button.hidden = true;
      toast(t("kb.gap_known"), "ok");
    });
  } else if ("compare" in dataset) {
    document.getElementById("compare").showModal();
  }
});

// Until here nobody was listening.
document.querySelectorAll("[data-js]").forEach((each) => { each.disabled = false; });
