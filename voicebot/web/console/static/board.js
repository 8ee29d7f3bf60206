// Who is calling now: rows of running calls, as the live feed has them.

import { live } from "./live.js";
import { nameOf, t } from "./messages.js";

const board = document.getElementById("board");
const pattern = document.getElementById("row").content.firstElementChild;
const lines = JSON.parse(document.getElementById("line-names").textContent);
const ENDED = ["busy", "no_answer", "failed", "ended"];

function show(row) {
  const known = board.querySelector(`[data-call="${CSS.escape(row.call_id)}"]`);
  const item = known ?? pattern.cloneNode(true);
  const field = (name) => item.querySelector(`[data-field="${name}"]`);
  const write = (name, text) => {
    if (field(name).textContent !== text) field(name).textContent = text;
  };
  item.dataset.call = row.call_id;
  item.classList.toggle("danger", row.danger);
  field("link").href = `/console/calls/${encodeURIComponent(row.call_id)}`;
  write("caller", row.caller || t("board.no_number"));
  write("line", lines[row.did] ?? row.did);
  write("side", row.side ? nameOf("side", row.side) : "");
  write("text", row.text);
  field("text").classList.toggle("soft", !row.final);
  field("danger").hidden = !row.danger;
  field("leg").hidden = !row.leg;
  if (row.leg) write("leg", `${row.destination} ${nameOf("leg", row.leg)}`);
  field("leg").className = `badge ${row.leg === "confirmed" ? "ok" : ENDED.includes(row.leg) ? "muted" : "warn"}`;
  field("ticket").hidden = !row.ticket;
  field("since").dataset.since = row.since;
  if (!known) board.prepend(item);
}

function count(calls) {
  document.getElementById("calls").textContent = calls;
  const danger = board.querySelectorAll(".call.danger").length;
  document.getElementById("danger").textContent = danger;
  document.querySelector("[data-danger-figure]").classList.toggle("danger", danger > 0);
  document.getElementById("transferring").textContent =
    board.querySelectorAll('[data-field="leg"]:not([hidden])').length;
  document.getElementById("nobody").hidden = calls > 0;
}

live(["calls"], (topic, data) => {
  if (topic === "reset") return location.reload();
  data.gone.forEach((call) => board.querySelector(`[data-call="${CSS.escape(call)}"]`)?.remove());
  data.rows.forEach(show);
  return count(data.calls);
}, { after: Number(board.dataset.seq) });
