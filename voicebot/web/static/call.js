// The call page: what is shown, and when. The call itself is phone.js.

import { Phone, PhoneFault } from "./phone.js";
import { FAULTS, NOTES, REFUSALS, STATES, destination, ended, transfer, transferEnded } from "./words.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const TOKEN = "voicebot.token";
const WATCH_TIMEOUT_MS = 2000;
const QUIET_DB = -60;           // an empty meter
const LOUD_DB = -6;             // a full one

const element = (id) => document.getElementById(id);
let access = null;              // {token, mayRead} once the token is known to be good
let phone = null;
let feed = null;                // AbortController of the live text
let began = 0;
let clock = 0;

// ── the token ────────────────────────────────────────────────────────────────────────

/** From the address (#token=…), which forgets it at once, else from this tab's memory. */
function rememberedToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) history.replaceState(null, "", location.pathname);
  return given ?? sessionStorage.getItem(TOKEN);
}

async function unlock(token) {
  let answer;
  try {
    answer = await fetch("/api/lines", { headers: bearer(token), cache: "no-store" });
  } catch {
    return lock("service_away");
  }
  if (answer.status === 401) return lock("wrong_token");
  if (!answer.ok) return lock("service_fault");
  const known = await answer.json();
  if (!known.may_call) return lock("wrong_role");
  sessionStorage.setItem(TOKEN, token);
  access = { token, mayRead: known.may_read };
  showLines(known.lines);
  element("note").textContent = known.may_read ? NOTES.readable : NOTES.unreadable;
  element("token").value = "";
  show("ready");
  return showFault(null);
}

function lock(fault = null) {
  access = null;
  sessionStorage.removeItem(TOKEN);
  show("locked");
  showFault(fault);
  element("transcript").replaceChildren();
  element("last").hidden = true;
  element("token").focus();
}

/** Fetch refuses what is no header; such a token is a wrong one. */
const bearer = (token) => ({ Authorization: `Bearer ${encodeURIComponent(token.trim())}` });

// ── the call ─────────────────────────────────────────────────────────────────────────

async function dial(event) {
  event.preventDefault();
  if (phone) return;
  const did = new FormData(element("dial")).get("did");
  const callId = `WEB-${uuid()}`;
  prepare(did);
  const call = phone = new Phone({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/media`,
    token: access.token, callId, did, caller: element("caller").value.trim(),
  });
  call.addEventListener("connected", connected);
  call.addEventListener("level", ({ detail }) => showLevels(detail));
  call.addEventListener("ended", ({ detail }) => hungUp(detail));
  try {
    await call.pickUp();
    if (phone === call) await watch(callId);
    await call.call();
  } catch (fault) {
    if (phone !== call) return;
    const code = fault instanceof PhoneFault ? fault.code : "service_fault";
    if (code === "service_fault") console.error(fault);
    over(code === "cancelled" ? null : code);
  }
}

function prepare(did) {
  showFault(null);
  element("transcript").replaceChildren();
  element("note").textContent = access.mayRead ? "" : NOTES.unreadable;
  element("dialled").textContent = did;
  element("pressed").textContent = "";
  element("timer").textContent = "00:00";
  setMuted(false);
  showLevels({ mic: 0, bot: 0 });
  began = 0;
  show("connecting");
  element("hangup").focus({ preventScroll: true });
}

function connected() {
  began = performance.now();
  clock = setInterval(() => { element("timer").textContent = duration(); }, 250);
  show("talking");
}

function hungUp({ by, fault, reason }) {
  if (by !== "fault") return over(null, ended(by, duration()));
  const code = fault === "refused" ? REFUSALS[reason] ?? "refused" : fault;
  if (code === "wrong_token") {
    over(null);
    return lock(code);
  }
  return over(code, "", code === "refused" ? reason : "");
}

function over(fault, last = "", detail = "") {
  clearInterval(clock);
  // Its last lines ("ended") are still on their way.
  const lines = feed;
  setTimeout(() => lines?.abort(), 2000);
  phone = feed = null;
  show("ready");
  showFault(fault, detail);
  element("last").textContent = last;
  element("last").hidden = !last;
}

function press(key) {
  if (document.body.dataset.state !== "talking") return;
  phone.press(key);
  element("pressed").textContent += key;
}

function setMuted(muted) {
  element("mute").setAttribute("aria-pressed", String(muted));
  phone?.mute(muted);
  if (document.body.dataset.state === "talking") showState(muted ? NOTES.muted : STATES.talking);
}

// ── what is said ─────────────────────────────────────────────────────────────────────

/** Follows the call's text, if the token may; resolves when nothing more can be missed. */
function watch(callId) {
  if (!access.mayRead) return Promise.resolve();
  const stop = feed = new AbortController();
  return new Promise((resolve) => {
    setTimeout(resolve, WATCH_TIMEOUT_MS);
    readLines(`/api/calls/${encodeURIComponent(callId)}/live`, stop.signal, (message) => {
      if (message.kind === "watching") resolve();
      else showMessage(message);
    }).catch(() => {
      resolve();
      if (!stop.signal.aborted && feed === stop) element("note").textContent = NOTES.feedLost;
    });
  });
}

async function readLines(url, signal, take) {
  const answer = await fetch(url, { headers: bearer(access.token), signal });
  if (!answer.ok) throw new Error(String(answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    lines.forEach((line) => take(JSON.parse(line)));
  }
}

function showMessage(message) {
  switch (message.kind) {
    case "say": return message.text && line("bot", message.text);
    case "hypothesis": return showHeard(message);
    case "transfer": return showTransfer(message);
    case "ticket": return line("event", `已登记工单：${message.matter}`);
    default: return undefined;
  }
}

/** One line for each of the caller's turns, growing; characters replace syllables. */
function showHeard({ turn, ear, text, final }) {
  if (!text) return;
  const known = document.querySelector(`[data-turn="${Number(turn)}"]`);
  if (known?.dataset.ear === "transcriber" && ear !== "transcriber") return;
  const item = known ?? line("caller", "");
  Object.assign(item.dataset, { turn: Number(turn), ear });
  item.textContent = text;
  item.classList.toggle("partial", !final);
  atTheEnd();
}

function showTransfer({ destination: number, state, reason }) {
  const who = destination(number);
  const words = transfer(state, who);
  if (words === null) line("event", transferEnded(who, reason));
  else if (state === "acknowledged") line("event", words);
  if (document.body.dataset.state === "talking") {
    showState(words ?? STATES.talking, words !== null);
  }
}

function line(kind, text) {
  const item = document.createElement("li");
  item.className = kind;
  item.textContent = text;
  element("transcript").append(item);
  atTheEnd();
  return item;
}

const atTheEnd = () => element("transcript").scrollTo({ top: 1e6 });

// ── the screen ───────────────────────────────────────────────────────────────────────

function show(state) {
  document.body.dataset.state = state;
  showState(STATES[state] ?? "");
  document.querySelectorAll(".keys button, #mute").forEach((button) => {
    button.disabled = state !== "talking";
  });
}

function showState(words, transferring = false) {
  element("state").textContent = words;
  element("state").classList.toggle("transfer", transferring);
}

function showFault(code, detail = "") {
  element("fault").hidden = !code;
  if (!code) return;
  const [title, advice] = FAULTS[code] ?? FAULTS.service_fault;
  element("fault").dataset.code = code;
  element("fault-title").textContent = title;
  element("fault-advice").textContent = detail ? `${advice}（${detail}）` : advice;
}

function showLevels({ mic, bot }) {
  for (const [id, level] of [["level-mic", mic], ["level-bot", bot]]) {
    const decibels = 20 * Math.log10(Math.max(level, 1e-6));
    const share = Math.max(0, Math.min(1, (decibels - QUIET_DB) / (LOUD_DB - QUIET_DB)));
    element(id).style.setProperty("--level", share.toFixed(3));
    element(id).setAttribute("aria-valuenow", String(Math.round(100 * share)));
  }
}

function showLines(lines) {
  element("lines").replaceChildren(...lines.map(({ did, name }, index) => {
    const label = document.createElement("label");
    label.className = "line";
    const choice = Object.assign(document.createElement("input"), {
      type: "radio", name: "did", value: did, checked: index === 0,
    });
    const number = Object.assign(document.createElement("b"), { textContent: did });
    const words = Object.assign(document.createElement("span"), { textContent: name });
    label.append(choice, number, words);
    return label;
  }));
}

function showKeys() {
  element("keys").append(...KEYS.map((key) => {
    const button = Object.assign(document.createElement("button"), {
      type: "button", textContent: key,
    });
    button.dataset.key = key;
    button.addEventListener("click", () => press(key));
    return button;
  }));
}

function duration() {
  const seconds = began ? Math.floor((performance.now() - began) / 1000) : 0;
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}

/** crypto.randomUUID is not there on pages without TLS, where this one explains itself. */
const uuid = () => [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, "0")).join("");

// ── events ───────────────────────────────────────────────────────────────────────────

element("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  unlock(element("token").value);
});
element("dial").addEventListener("submit", dial);
element("leave").addEventListener("click", () => lock());
element("hangup").addEventListener("click", () => {
  if (document.body.dataset.state === "talking") phone.hangUp();
  else if (phone) {
    phone.close();
    over(null);
  }
});
element("mute").addEventListener("click", () => {
  setMuted(element("mute").getAttribute("aria-pressed") !== "true");
});
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = document.querySelector(`.keys button[data-key="${CSS.escape(event.key)}"]`);
  if (!button || document.body.dataset.state !== "talking") return;
  button.classList.add("down");
  setTimeout(() => button.classList.remove("down"), 150);
  press(event.key);
});
addEventListener("pagehide", () => phone?.hangUp());
addEventListener("hashchange", () => { if (location.hash && !phone) enter(); });

function enter() {
  const token = rememberedToken();
  if (token) unlock(token);
  else element("token").focus();
}

showKeys();
enter();
