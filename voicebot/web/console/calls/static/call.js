// One call: words that can be heard, and, while it runs, what is said as it is said.

import { duration } from "./duration.js";
import { live } from "./live.js";
import { nameOf, t } from "./messages.js";

const transcript = document.getElementById("transcript");
const recording = document.getElementById("recording");
const LEAD_IN_S = 0.25;             // a word is not cut where it begins

// ── the recording ───────────────────────────────────────────────────────────────────

/** Each turn's text as words, each with the time at which it begins. */
function split(said) {
  const times = JSON.parse(said.dataset.times);
  const text = said.textContent;
  const words = new Intl.Segmenter("zh", { granularity: "word" }).segment(text);
  said.replaceChildren(...[...words].map(({ segment, index }) => {
    const word = document.createElement("span");
    word.className = "word";
    word.textContent = segment;
    word.dataset.at = times[[...text.slice(0, index)].length] ?? times.at(-1) ?? 0;
    return word;
  }));
}

function hear(at) {
  recording.currentTime = Math.max(0, at - LEAD_IN_S);
  recording.play();
}

function follow() {
  const now = recording.currentTime;
  let spoken = null;
  document.querySelectorAll("[data-turn]").forEach((turn) => {
    const within = now >= Number(turn.dataset.start) && now <= Number(turn.dataset.end) + 0.3;
    turn.querySelectorAll(".word").forEach((word) => {
      word.classList.remove("now");
      if (within && Number(word.dataset.at) <= now) spoken = word;
    });
  });
  spoken?.classList.add("now");
  const turn = spoken?.closest("li");
  if (turn && document.getElementById("follow").checked && !recording.paused) {
    const { top, bottom } = turn.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) turn.scrollIntoView({ block: "center" });
  }
}

if (recording) {
  document.querySelectorAll("[data-times]").forEach(split);
  transcript.addEventListener("click", ({ target }) => {
    const at = target.closest("[data-at]")?.dataset.at ?? target.closest("[data-hear]")?.dataset.hear;
    if (at !== undefined && !String(getSelection())) hear(Number(at));
  });
  recording.addEventListener("timeupdate", follow);
}

// ── the reasons ─────────────────────────────────────────────────────────────────────

document.querySelectorAll("[data-show]").forEach((button) => {
  button.addEventListener("click", () => {
    const at = Number(button.dataset.show);
    const turns = [...document.querySelectorAll("[data-turn]")];
    const turn = turns.filter((one) => Number(one.dataset.start) <= at).at(-1) ?? turns[0];
    document.querySelector(".present")?.classList.remove("present");
    turn?.classList.add("present");
    turn?.scrollIntoView({ block: "center" });
  });
});

document.getElementById("steps")?.addEventListener("change", ({ target }) => {
  transcript.classList.toggle("brief", !target.checked);
});

// ── while it runs ───────────────────────────────────────────────────────────────────

/** A stream begins a little before the page was made: what the page has is not added again. */
const SAME_S = 0.6;
const isShown = (what, at) => [...transcript.querySelectorAll(`[data-what="${CSS.escape(what)}"]`)]
  .some((item) => Math.abs(Number(item.dataset.start) - at) < SAME_S);

function add(className, by, at, text, what) {
  if (what && isShown(what, at)) return null;
  const item = document.createElement("li");
  item.className = className;
  Object.assign(item.dataset, { start: at, what: what ?? "" });
  const words = Object.assign(document.createElement("span"), { className: "said", textContent: text });
  if (by) {
    const line = Object.assign(document.createElement("span"), { className: "by" });
    line.append(
      Object.assign(document.createElement("b"), { textContent: by }),
      Object.assign(document.createElement("span"), { textContent: duration(at) }),
    );
    item.append(line);
  }
  item.append(words);
  const low = innerHeight + scrollY >= document.body.scrollHeight - 120;
  transcript.append(item);
  if (low) item.scrollIntoView({ block: "end" });
  return item;
}

/** One line for each of the caller's turns, growing; characters replace syllables. */
function heard({ turn, ear, text, final, at }) {
  if (!text) return;
  const known = transcript.querySelector(`[data-number="${Number(turn)}"]`);
  if (known?.dataset.ear === "transcriber" && ear !== "transcriber") return;
  const item = known ?? add("caller", nameOf("side", "caller"), at, "");
  Object.assign(item.dataset, { number: Number(turn), ear });
  item.querySelector(".said").textContent = text;
  item.classList.toggle("partial", !final);
}

const DANGER = ["hand_off_110", "danger_doubt", "ask_danger"];

/** Evidence such as "danger：着火了（听音）", with its kind and route named. */
function because(why) {
  return why.replace(/(^|；)([a-z_]+)：(\S+)/g, (_, before, kind, detail) =>
    `${before}${nameOf("evidence", kind)} ${nameOf("route", detail)}`);
}

function happened(message) {
  const { kind, at } = message;
  switch (kind) {
    case "hypothesis": return heard(message);
    case "say": return message.text && add("bot", nameOf("side", "bot"), at, message.text, "bot");
    case "far_side":
      return add("bot", nameOf("side", message.side), message.start, message.text, message.side);
    case "decision": {
      const { what, why } = message;
      const text = `${duration(at)} ${nameOf("decision", what)} ${because(why)}`;
      return add(`event decision ${DANGER.includes(what) ? "danger" : ""}`, "", at, text, what);
    }
    case "transfer": {
      const { state, destination } = message;
      const text = `${duration(at)} ${destination} ${nameOf("leg", state)}`;
      return add("event step", "", at, text, `${state}${destination}`);
    }
    case "ticket":
      return add("event", "", at, `${duration(at)} ${t("calls.ticket")} ${message.matter}`, message.ticket);
    case "call": return message.state === "ended" && setTimeout(() => location.reload(), 1000);
    default: return undefined;
  }
}

if (transcript.dataset.running !== undefined) {
  const topic = `call:${transcript.dataset.call}`;
  live([topic], (name, message) => {
    if (name === "reset") return location.reload();
    return happened(message);
  }, { after: Number(transcript.dataset.seq) });
}
