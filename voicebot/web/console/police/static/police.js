// The 110 view: dossier and words as they come, for whoever holds the link; no log-in.

import { Transcript } from "./agent_words.js";
import { showLive } from "./live.js";
import { nameOf, t } from "./messages.js";
import { toast } from "./toast.js";

const AGAIN_MS = 2000;
const element = (id) => document.getElementById(id);
const { handoff, query } = document.body.dataset;
const at = (rest) => `/console/110/${encodeURIComponent(handoff)}/${rest}?${query}`;
const words = new Transcript(element("transcript"));
const outcomes = Object.fromEntries([...document.querySelectorAll('[name="outcome"] option')]
  .map(({ value, textContent }) => [value, textContent]));
let over = false;

function follow() {
  const source = new EventSource(at("stream"));
  const take = (name, act) => source.addEventListener(name, ({ data }) => act(JSON.parse(data)));
  take("snapshot", (known) => {
    showLive("on");
    words.clear();
    known.turns.forEach((turn) => words.turn(turn));
    showDossier(known);
    element("running").textContent = t("police.going_on");
  });
  take("turn", (turn) => words.turn(turn));
  take("dossier", showDossier);
  take("ended", () => {
    over = true;
    source.close();
    showLive("on");
    element("running").textContent = t("police.ended");
    offerRecording();
  });
  source.addEventListener("error", () => {
    source.close();
    if (over) return;
    showLive("off");
    setTimeout(follow, AGAIN_MS);
  });
}

function showDossier({ dossier, words: said }) {
  document.querySelectorAll("[data-of]").forEach((field) => {
    const value = dossier[field.dataset.of];
    const text = Array.isArray(value) ? value.join(field.dataset.of === "lines" ? "、" : "；") : value;
    if (text) field.textContent = text;
  });
  words.mark(dossier.danger);
  showWords(said);
}

function showWords(said) {
  element("words").replaceChildren(...said.map(({ at: when, kind, who, outcome, text }) => {
    const item = document.createElement("li");
    const time = new Date(1000 * when).toLocaleTimeString();
    const named = outcomes[outcome] ?? nameOf("outcome", outcome);
    item.textContent = `${time} ${t(`police.${kind}`, { who, outcome: named, text })}`;
    item.dataset.kind = kind;
    return item;
  }));
}

/** The recording is there a moment after the call has ended. */
async function offerRecording() {
  const player = element("recording");
  if (player.getAttribute("src")) return;
  const answer = await fetch(at("recording"), { headers: { Range: "bytes=0-0" }, cache: "no-store" });
  if (!answer.ok) return;
  player.src = at("recording");
  player.hidden = false;
  element("no-recording").hidden = true;
}

async function send(path, body) {
  element("fault").hidden = true;
  const answer = await fetch(at(path), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
  const known = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    element("fault").hidden = false;
    element("fault").textContent = known.message ?? t("failed");
    return;
  }
  showWords(known.words);
  toast(t("police.sent"), "ok");
}

element("acknowledge").addEventListener("submit", (event) => {
  event.preventDefault();
  send("acknowledge", { who: element("who").value });
});

element("feedback").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!element("who").reportValidity()) return;
  const { outcome, text } = event.target.elements;
  send("feedback", { who: element("who").value, outcome: outcome.value, text: text.value });
});

follow();
