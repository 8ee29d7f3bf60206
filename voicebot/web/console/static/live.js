// What happens, as it happens: one stream for a page, which goes on after a break where it was.

import { logIn } from "./api.js";
import { t } from "./messages.js";

const LONGEST_PAUSE_MS = 10_000;
const HIDDEN_MS = 20_000;

/**
 * Calls `handler(topic, data, seq)` for each event of the topics, in order and once each.
 *
 * @param topics {string[]} "calls", "queue", "handoffs", "surge", "call:<id>"
 * @param handler {(topic: string, data: object, seq: number) => void} topic "reset": what is shown
 *   may have missed something and is to be loaded anew (the page, or what you fetch)
 * @param options {{after?: number, always?: boolean}} after: the sequence number that the page was
 *   made at (`seq` of the page); always: also while the tab is hidden, for what has to be heard.
 *   Else a hidden tab lets go after a while, for a browser opens six streams to a server at most.
 * @returns {() => void} ends it
 */
export function live(topics, handler, { after, always = false } = {}) {
  let last = after, source = null, failed = 0, timer = 0, ended = false;

  function open() {
    const query = new URLSearchParams({ topics: topics.join(",") });
    if (last !== undefined) query.set("after", last);
    source = new EventSource(`/console/live?${query}`);
    source.addEventListener("open", () => {
      failed = 0;
      showLive("on");
    });
    source.addEventListener("error", broken);
    for (const topic of [...topics, "reset"]) source.addEventListener(topic, taken);
    source.addEventListener("begin", ({ lastEventId }) => { last = Number(lastEventId); });
  }

  function taken({ type, data, lastEventId }) {
    const seq = Number(lastEventId);
    if (type !== "reset" && last !== undefined && seq <= last) return;
    last = seq;
    handler(type, JSON.parse(data), seq);
  }

  // Not left to EventSource, which gives up on an answer like 503 and asks again at once else.
  async function broken() {
    source.close();
    if (ended) return;
    showLive("off");
    if (failed > 1 && await loggedOut()) return logIn();
    failed += 1;
    timer = setTimeout(open, Math.min(LONGEST_PAUSE_MS, 250 * 2 ** failed) * (0.5 + Math.random()));
  }

  function letGo() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function stop() {
    ended = true;
    letGo();
  }

  function seen() {
    clearTimeout(timer);
    if (ended) return;
    if (document.hidden) timer = setTimeout(letGo, HIDDEN_MS);
    else if (source === null || source.readyState === EventSource.CLOSED) open();
  }

  if (!always) document.addEventListener("visibilitychange", seen);

  // A page that is put away and brought back (bfcache) has a dead stream.
  addEventListener("pagehide", stop, { once: true });
  document.addEventListener("leaving", stop, { once: true });
  addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
  open();
  return stop;
}

/** The session has ended: it is not only the service that is away. */
export async function loggedOut() {
  try {
    return (await fetch("/v1/session", { cache: "no-store" })).status === 401;
  } catch {
    return false;
  }
}

/** Says on the page whether it is live: "on" or "off". */
export function showLive(state) {
  document.querySelectorAll("[data-live]").forEach((badge) => {
    badge.dataset.state = state;
    badge.textContent = t(`live.${state}`);
  });
}
