// The agent desk: which call is open, what can be done with it, and everything that keeps up with it.

import { DeskLine } from "./agent_line.js";
import { TicketForm } from "./agent_form.js";
import { Transcript } from "./agent_words.js";
import { call, logIn } from "./api.js";
import { loggedOut, showLive } from "./live.js";
import { nameOf, t } from "./messages.js";
import { toast } from "./toast.js";
import { FAULTS } from "/call/words.js";

const RECOMMEND_MS = 500;       // after the caller's last words; a settled turn asks at once
const FORM_MS = 1500;
const AGAIN_MS = 1000;
const LOGGED_OUT_MS = 10_000;
const LEAST_WORDS = 4;          // characters: less asks for nothing

const element = (id) => document.getElementById(id);
const desk = element("desk");
const words = new Transcript(element("transcript"));
const form = new TicketForm(element("form"));
const line = new DeskLine(lineChanged);

const open = { id: "", source: null, standing: null, region: "", over: false };
let calls = [];
let offers = [];
let me = "";
let told = false;               // that the session is over, while the line is on
let wanted = "";                // a call that this page has asked to take: it is answered by itself

// ── the desk's own stream: calls, what rings, presence ──────────────────────────────

function follow(path, handlers, gone) {
  const source = new EventSource(path);
  for (const [name, take] of Object.entries(handlers)) {
    source.addEventListener(name, ({ data }) => take(JSON.parse(data)));
  }
  source.addEventListener("error", () => {
    source.close();
    gone();
  });
  return source;
}

function followDesk() {
  follow("/v1/agent/stream", {
    calls: showCalls,
    changes: ({ rows, gone }) => showCalls(changedCalls(rows, gone)),
    offers: showOffers,
    presence: ({ presence, me: own }) => {
      me = own;
      element("presence").value = presence;
      showLive("on");
    },
    beat: beats,
  }, async () => {
    showLive("off");
    const out = await loggedOut();
    if (out) logIn();
    setTimeout(followDesk, out ? LOGGED_OUT_MS : AGAIN_MS);
  });
}

/** Says that the page is there; whoever is neither ready nor talking may be logged out when idle. */
function beats() {
  if (element("presence").value !== "ready" && !line.on) return;
  call("PUT", "/v1/agent/presence", {}).catch(() => undefined);
}

function changedCalls(rows, gone) {
  const known = new Map(calls.map((each) => [each.call_id, each]));
  gone.forEach((id) => known.delete(id));
  rows.forEach((each) => known.set(each.call_id, each));
  return [...known.values()];
}

const URGENCY = { certain: 0, possible: 1, "": 2 };

function showCalls(found) {
  calls = found.sort((one, other) =>
    URGENCY[one.danger] - URGENCY[other.danger] || one.began - other.began);
  element("count").textContent = String(found.length);
  element("no-calls").hidden = found.length > 0;
  const list = element("calls");
  const present = new Map([...list.children].map((item) => [item.dataset.id, item]));
  list.replaceChildren(...found.map((each) => callItem(each, present.get(each.call_id))));
}

function callItem(each, known) {
  const item = known ?? document.createElement("li");
  if (!known) {
    item.dataset.id = each.call_id;
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.innerHTML = '<span class="top"><b class="mono number"></b><time class="mono soft"></time></span><span class="soft small sub clip"></span>';
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "true") toast(button.title, "warn");
      else choose(each.call_id);
    });
    item.append(button);
  }
  item.classList.toggle("danger", each.danger === "certain");
  item.querySelector(".number").textContent = each.number || t("agent.withheld");
  item.querySelector("time").dataset.since = String(each.began);
  const who = each.agent ? t("agent.taken_by", { name: each.agent }) : nameOf("agent.who", each.who);
  item.querySelector(".sub").textContent = [each.line, each.place, who].filter(Boolean).join(" · ");
  const button = item.querySelector("button");
  button.setAttribute("aria-disabled", String(!each.may_follow));
  button.title = each.may_follow ? "" : t("agent.why.confidential");
  button.setAttribute("aria-current", String(each.call_id === open.id));
  return item;
}

// ── what rings ──────────────────────────────────────────────────────────────────────

function showOffers(found) {
  const own = (each) => each.own && each.call_id === wanted;
  offers = [...found].sort((one, other) => own(other) - own(one));
  const first = found[0];
  element("offer").hidden = !first || line.on;
  if (!first) return;
  const number = first.number || t("agent.withheld");
  element("offer-title").textContent = t(
    first.own ? "agent.incoming_own" : "agent.incoming", { line: first.line, number },
  );
  const danger = first.danger ? t(`agent.${first.danger}`) : "";
  element("offer-sub").textContent = [first.place, nameOf("agent.who", first.who), danger]
    .filter(Boolean).join(" · ");
  if (own(first)) answer();
}

async function answer() {
  const first = offers[0];
  if (!first || line.on) return;
  wanted = "";
  element("offer").hidden = true;
  choose(first.call_id);
  try {
    await line.answer(first.leg);
  } catch {
    showOffers(offers);         // why, `lineChanged` has said
  }
}

function lineChanged(state, code = "") {
  document.body.dataset.line = state;
  if (state === "off") {
    element("mute").setAttribute("aria-pressed", "false");
    told = false;
    if (code) toast(t("agent.line_gone", { code: FAULTS[code]?.join("：") ?? code }), "danger");
  }
  showBar();
}

// ── one call ────────────────────────────────────────────────────────────────────────

function choose(id) {
  if (!id || open.id === id) return;
  open.source?.close();
  Object.assign(open, { id, standing: null, over: false, region: "" });
  desk.dataset.call = id;
  history.replaceState(null, "", `/console/agent?call=${encodeURIComponent(id)}`);
  words.clear();
  words.mark([]);
  form.show(id);
  element("ticket").hidden = true;
  showAnswers([]);
  showCalls(calls);
  followCall();
  loadCard();
  form.load();
}

const ofCall = (rest) => `/v1/agent/calls/${encodeURIComponent(open.id)}/${rest}`;

function followCall() {
  const id = open.id;
  let seen = false;
  open.source = follow(ofCall("stream"), {
    snapshot: ({ turns, standing }) => {
      seen = true;
      words.clear();
      turns.forEach((turn) => words.turn(turn));
      showStanding(standing);
      words.toEnd();
      said(true);
    },
    turn: (turn) => {
      words.turn(turn);
      if (turn.side === "caller" || turn.side === "seat") said(!turn.partial);
    },
    standing: showStanding,
    note: showNote,
    closed: () => over(t("agent.why.confidential")),
    ended: () => over(),
  }, async () => {
    const stays = () => open.id === id && !open.over;
    const status = stays() && !seen ? await statusOf(ofCall("stream")) : 0;
    if (!stays()) return;
    if (status === 403) over(t("agent.why.confidential"));
    else if (status === 404) over();
    else setTimeout(() => { if (stays()) followCall(); }, AGAIN_MS);
  });
}

/** What a stream that did not begin is refused with, which an EventSource does not tell. */
async function statusOf(path) {
  const asking = new AbortController();
  try {
    return (await fetch(path, { cache: "no-store", signal: asking.signal })).status;
  } catch {
    return 0;
  } finally {
    asking.abort();
  }
}

function over(why = t("agent.ended")) {
  open.over = true;
  open.source?.close();
  words.note(why);
  element("running").removeAttribute("data-since");
  if (open.standing) {
    for (const act of Object.keys(open.standing.acts)) open.standing.acts[act] = "ended";
  }
  showBar();
  form.load();
}

function showStanding(standing) {
  const before = open.standing;
  open.standing = standing;
  element("with").textContent = `${standing.number || t("agent.withheld")} · ${standing.line}`;
  element("with-sub").textContent = [
    nameOf("agent.who", standing.who),
    standing.place,
    standing.agent ? t("agent.taken_by", { name: standing.agent }) : "",
  ].filter(Boolean).join(" · ");
  element("running").dataset.since = String(standing.began);
  element("place").textContent = standing.place || "—";
  open.region = standing.region;
  const stays = words.atEnd();
  showDanger(standing);
  showLegs(standing.handoff);
  showBar();
  if (stays) words.toEnd();     // what is shown above the words takes of their room
  if (before && before.mine !== standing.mine) {
    loadCard();                 // who has the call may see the number
    form.load();
  }
}

function showDanger({ danger, evidence }) {
  const told = evidence.filter(({ kind }) => kind === "danger" || kind === "police_request");
  const phrases = told.map(({ detail }) => detail.replace(/（.*?）/g, ""));
  words.mark(danger ? phrases : []);
  element("danger").hidden = !danger;
  if (!danger) return;
  element("danger").classList.toggle("warn", danger === "possible");
  element("danger-title").textContent = t(`agent.${danger}`);
  element("danger-why").textContent = told.length
    ? t("agent.because", { words: told.map(({ detail }) => `“${detail}”`).join("、") }) : "";
}

function showLegs(handoff) {
  element("legs").replaceChildren(...(handoff?.legs ?? []).map(({ line: to, leg }) => {
    const item = document.createElement("li");
    const kind = leg === "confirmed" ? "ok" : leg === "ended" ? "muted" : "warn";
    item.className = `badge ${kind}`;
    item.dataset.leg = to;
    item.dataset.state = leg;
    item.textContent = `${nameOf("agent.leg", to)} ${nameOf("leg", leg)}`;
    return item;
  }));
}

function showNote(message) {
  switch (message.kind) {
    case "transfer":
      return words.note(`${message.destination.replace(/@.*/, "")} ${nameOf("leg", message.state)}`);
    case "decision":
      return message.what === "agent_refused" ? toast(message.why, "warn") : undefined;
    case "police_word":
      return words.note(t(`agent.${message.what}`, { who: message.who }));
    default:
      return undefined;
  }
}

// ── what can be done, and why not ───────────────────────────────────────────────────

function reasonAgainst(button) {
  if (!open.id || !open.standing) return t("agent.choose_first");
  const { act } = button.dataset;
  if (button.id === "mute") return line.on ? "" : t("agent.not_on_line");
  if (button.id === "claim") {
    const { acts, holder } = open.standing;
    if (acts.take !== "agent_on_the_line") return t("agent.why.no_agent");
    return holder && holder !== me ? t("agent.why.not_yours") : "";
  }
  const code = open.standing.acts[act];
  return code ? nameOf("agent.why", code) : "";
}

function showBar() {
  const held = Boolean(open.standing?.held);
  const hold = element("hold");
  hold.dataset.act = held ? "resume" : "hold";
  hold.querySelector("span").textContent = t(held ? "agent.resume" : "agent.hold");
  document.querySelectorAll("#bar button").forEach((button) => {
    const reason = reasonAgainst(button);
    button.setAttribute("aria-disabled", String(Boolean(reason)));
    button.title = reason;
  });
  const claim = element("claim");
  const { acts, mine } = open.standing ?? {};
  claim.hidden = mine || line.on || acts?.take !== "agent_on_the_line";
}

async function press(button) {
  const reason = reasonAgainst(button);
  element("why-not").textContent = reason;
  if (reason) return;
  if (button.id === "mute") return mute();
  if (button.id === "claim") return attempt(() => call("POST", ofCall("claim")).then(loadCard));
  if (button.id === "transfer") return chooseDestination();
  if (button.dataset.act === "leave" && line.on && open.standing.mine) return line.hangUp();
  return ask({ act: button.dataset.act, by: button.dataset.by ?? "browser" });
}

function ask(body) {
  if (body.act === "take" && body.by === "browser") wanted = open.id;
  return attempt(() => call("POST", ofCall("acts"), body));
}

async function attempt(work) {
  try {
    return await work();
  } catch (fault) {
    const code = fault.code?.replace(/^(agent|draft)\./, "");
    const why = nameOf("agent.why", code);
    element("why-not").textContent = why !== code ? why : fault.message;
    toast(element("why-not").textContent, "danger");
    return undefined;
  }
}

function mute() {
  const on = element("mute").getAttribute("aria-pressed") !== "true";
  element("mute").setAttribute("aria-pressed", String(on));
  line.mute(on);
}

async function chooseDestination() {
  const found = await attempt(() => call("GET", "/v1/agent/destinations"));
  if (!found) return;
  const list = element("destinations");
  list.replaceChildren(...found.destinations.map(({ destination, name: who }) => {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), {
      type: "button", className: "button wide", textContent: who,
    });
    button.addEventListener("click", () => {
      element("transfer-to").close();
      ask({ act: "transfer", destination });
    });
    item.append(button);
    return item;
  }));
  if (!found.destinations.length) list.textContent = t("agent.nobody");
  element("transfer-to").showModal();
}

// ── the caller ──────────────────────────────────────────────────────────────────────

async function loadCard() {
  const id = open.id;
  const card = await attempt(() => call("GET", ofCall("card")));
  if (!card || id !== open.id) return;
  element("number").textContent = card.number || t("agent.withheld");
  element("line").textContent = open.standing?.line ?? card.line;
  element("place").textContent = card.place || "—";
  const badges = [];
  if (card.limit && ["in_force", "proposed"].includes(card.limit.state)) {
    badges.push([`${t(`agent.limit.${card.limit.state}`)} · ${card.limit.reason}`, "danger"]);
  }
  if (card.nuisance) badges.push([t("agent.nuisances", { count: card.nuisance }), "warn"]);
  element("nuisance").replaceChildren(...badges.map(([text, kind]) =>
    Object.assign(document.createElement("span"), { className: `badge ${kind}`, textContent: text })));
  const lines = [
    ...card.tickets.map((each) => `${when(each.at)} ${each.matter} · ${each.status} ${each.department}`),
    ...card.calls.map((each) => `${when(each.at)} ${each.outcome ?? ""}`),
  ];
  element("history-count").textContent = String(lines.length);
  element("history").replaceChildren(...(lines.length ? lines : [t("agent.no_history")]).map((text) =>
    Object.assign(document.createElement("li"), { textContent: text })));
}

const when = (at) => (at ? new Date(1000 * at).toLocaleDateString() : "");

// ── answers while the caller speaks ─────────────────────────────────────────────────

let recommending = 0;
let filling = 0;
let asked = "";

function said(settled) {
  clearTimeout(recommending);
  recommending = setTimeout(recommend, settled ? 0 : RECOMMEND_MS);
  clearTimeout(filling);
  filling = setTimeout(() => form.load(), settled ? RECOMMEND_MS : FORM_MS);
}

async function recommend() {
  const id = open.id;
  const transcript = words.said().slice(-400);
  const text = JSON.stringify(transcript);
  const wordsOfCaller = transcript.filter(({ speaker }) => speaker === "caller");
  if (text === asked || !wordsOfCaller.some(({ text: own }) => own.length >= LEAST_WORDS)) return;
  asked = text;
  const body = { transcript, line: open.standing?.did || null, region: open.region || null };
  let found;
  try {
    found = await call("POST", "/v1/recommend", body);
  } catch {
    asked = "";                 // busy: the next words ask again
    return;
  }
  if (id !== open.id) return;
  element("answers-took").textContent = t("agent.took", { ms: Math.round(found.took_ms) });
  showAnswers(found.suggestions);
}

function showAnswers(suggestions) {
  element("no-answers").hidden = suggestions.length > 0;
  element("answers").replaceChildren(...suggestions.map(answerItem));
}

function answerItem(each, index) {
  const item = document.createElement("li");
  item.dataset.entry = each.id;
  const head = Object.assign(document.createElement("b"), { textContent: `${index + 1}. ${each.question}` });
  const text = Object.assign(document.createElement("p"), { className: "answer", textContent: each.answer });
  const why = Object.assign(document.createElement("p"), {
    className: "soft small", textContent: `${Math.round(100 * each.score)}% · ${each.reason} · ${each.department}`,
  });
  const row = Object.assign(document.createElement("div"), { className: "row" });
  row.append(
    small(t("agent.say"), () => say(each.id), "say"),
    small(t("agent.copy"), () => copy(each.answer), "copy"),
    small(t("agent.link"), () => link(each.id), "link", desk.dataset.sms ? "" : t("agent.no_sms")),
  );
  item.append(head, text, row, why);
  return item;
}

function small(text, act, kind, reason = "") {
  const button = Object.assign(document.createElement("button"), {
    type: "button", className: "button small", textContent: text, title: reason,
  });
  button.dataset.do = kind;
  button.setAttribute("aria-disabled", String(Boolean(reason)));
  button.addEventListener("click", () => (reason ? toast(reason, "warn") : act()));
  return button;
}

function say(entry) {
  const reason = open.standing?.acts.say;
  if (reason) return toast(nameOf("agent.why", reason), "warn");
  return ask({ act: "say", entry });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("agent.copied"), "ok");
  } catch {
    toast(t("failed"), "danger");
  }
}

async function link(entry) {
  if (await attempt(() => call("POST", ofCall("link"), { entry }))) toast(t("agent.linked"), "ok");
}

// ── ticket and wrap-up ──────────────────────────────────────────────────────────────

async function register(dispatch) {
  if (!open.id) return toast(t("agent.choose_first"), "warn");
  return attempt(() => form.register(dispatch));
}

async function close() {
  if (!open.id) return toast(t("agent.choose_first"), "warn");
  const disposition = element("disposition").value;
  if (!(await attempt(() => form.close(disposition)))) return undefined;
  toast(t("agent.closed"), "ok");
  return setPresence("ready");
}

async function setPresence(presence) {
  await attempt(() => call("PUT", "/v1/agent/presence", { presence }));
}

async function mark() {
  if (!open.id) return toast(t("agent.choose_first"), "warn");
  const body = { call: open.id, reason: element("nuisance-why").value };
  if (!(await attempt(() => call("POST", "/v1/callers/nuisance", body)))) return undefined;
  toast(t("agent.marked"), "ok");
  return loadCard();
}

// ── keys ────────────────────────────────────────────────────────────────────────────

const KEYS = {
  F2: () => answer(),
  F3: () => press(document.querySelector('[data-act="take"]')),
  F4: () => press(element("mute")),
  F6: () => press(element("hold")),
  F7: () => press(element("transfer")),
  F8: () => press(document.querySelector('[data-act="police"]')),
  F9: () => press(document.querySelector('[data-act="join_police"]')),
  F10: () => press(document.querySelector('[data-act="leave"]')),
  F12: () => close(),
};

function step(by) {
  const known = calls.filter(({ may_follow: may }) => may);
  const at = known.findIndex(({ call_id: id }) => id === open.id);
  const next = known[(at + by + known.length) % known.length];
  if (next) choose(next.call_id);
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (KEYS[event.key] && !event.repeat) {
    event.preventDefault();
    KEYS[event.key]();
  } else if (event.altKey && /^[1-3]$/.test(event.key)) {
    event.preventDefault();
    element("answers").children[Number(event.key) - 1]?.querySelector('[data-do="say"]').click();
  } else if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && event.ctrlKey) {
    event.preventDefault();
    register(false);
  } else if (event.key === "?" && !typing) {
    element("shortcuts").showModal();
  }
});

element("answer").addEventListener("click", answer);
element("presence").addEventListener("change", ({ target }) => setPresence(target.value));
document.querySelectorAll("#bar button").forEach((button) => {
  button.addEventListener("click", () => press(button));
});
element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  register(false);
});
element("dispatch").addEventListener("click", () => register(true));
element("close").addEventListener("click", close);
element("mark").addEventListener("click", mark);
addEventListener("pagehide", () => line.vanish());
document.addEventListener("login", (event) => {
  if (!line.on) return;
  event.preventDefault();       // whoever talks goes on talking; the log-in comes after it
  if (!told) toast(t("agent.logged_out"), "danger");
  told = true;
});

showBar();
followDesk();
if (desk.dataset.call) choose(desk.dataset.call);
