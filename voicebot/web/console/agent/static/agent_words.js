// The conversation as text: one line for each turn, which grows and settles where it stands.

import { duration } from "./duration.js";
import { nameOf } from "./messages.js";

const NEAR_END = 80;            // pixels: whoever has scrolled up further is reading

/** What triage has heard as danger, to be marked in the caller's words. */
let marked = [];

export class Transcript {
  constructor(list) {
    this.list = list;
    this.items = new Map();
  }

  clear() {
    this.items.clear();
    this.list.replaceChildren();
  }

  /** @returns {string[]} what caller and agent have said, as POST /v1/recommend wants it. */
  said() {
    return [...this.items.values()]
      .filter(({ dataset }) => dataset.side === "caller" || dataset.side === "seat")
      .map(({ dataset }) => ({
        speaker: dataset.side === "caller" ? "caller" : "agent",
        text: dataset.text.slice(0, 500),
      }))
      .filter(({ text }) => text);
  }

  turn({ key, side, text, start, partial, at }) {
    const stays = this.atEnd();
    let item = this.items.get(key);
    if (!text && !partial) {    // it was no speech after all
      item?.remove();
      this.items.delete(key);
      return;
    }
    if (!item) {
      item = document.createElement("li");
      item.innerHTML = '<span class="by"></span><span class="said"></span>';
      item.className = side === "caller" ? "caller" : side;
      item.querySelector(".by").textContent = `${nameOf("side", side)} ${duration(start)}`;
      this.items.set(key, item);
      this.list.append(item);
    }
    Object.assign(item.dataset, { side, text, at: String(at), key });
    item.classList.toggle("partial", partial);
    show(item);
    if (stays) this.toEnd();
  }

  note(text, danger = false) {
    const stays = this.atEnd();
    const item = document.createElement("li");
    item.className = danger ? "event danger" : "event";
    item.textContent = text;
    this.list.append(item);
    if (stays) this.toEnd();
  }

  /** Marks the words that triage took for danger, in what the caller has said and will say. */
  mark(words) {
    if (words.join("|") === marked.join("|")) return;
    marked = words;
    for (const item of this.items.values()) if (item.dataset.side === "caller") show(item);
  }

  atEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_END;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
  }
}

function show(item) {
  const said = item.querySelector(".said");
  const { text, side } = item.dataset;
  const words = side === "caller" ? marked.filter((each) => each && text.includes(each)) : [];
  item.classList.toggle("danger", words.length > 0);
  if (!words.length) {
    said.textContent = text;
    return;
  }
  const pattern = new RegExp(`(${words.map(escaped).join("|")})`);
  said.replaceChildren(...text.split(pattern).filter(Boolean).map((part) => {
    if (!words.includes(part)) return document.createTextNode(part);
    const mark = document.createElement("mark");
    mark.textContent = part;
    return mark;
  }));
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
