// The ticket form: fills itself from what is said, and never over what somebody has typed.

import { call, Refused } from "./api.js";
import { t } from "./messages.js";

const KEEP_MS = 600;            // after the last key
const FIELDS = ["matter", "place", "region", "name", "number", "kind", "happened", "department", "note"];

export class TicketForm {
  /** `of`: gives the id of the call, or "". */
  constructor(form, of) {
    this.form = form;
    this.of = of;
    this.saved = document.getElementById("saved");
    this.why = document.getElementById("department-why");
    this.reset();
    form.addEventListener("input", ({ target }) => this.typedIn(target));
  }

  reset() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.typed = {};
    this.version = 0;
    this.form.reset();
    this.saved.textContent = "";
    this.why.textContent = "";
    for (const name of FIELDS) this.hint(name, "");
  }

  /** From the server: what was typed here before, and what is proposed now. */
  async load() {
    const id = this.of();
    if (!id || this.timer) return;
    let known;
    try {
      known = await call("GET", `/v1/agent/calls/${encodeURIComponent(id)}/draft`);
    } catch {
      return;                   // the next one comes soon
    }
    if (id !== this.of() || this.timer) return;
    if (known.version !== this.version) {
      this.version = known.version;
      this.typed = { ...known.typed };
    }
    for (const name of FIELDS) this.fill(name, String(known.form[name] ?? ""), known.proposed);
    const box = this.form.elements.confidential;
    if (!("confidential" in this.typed)) box.checked = Boolean(known.form.confidential);
    this.department(known.department);
    if (known.ticket) this.registered(known.ticket);
  }

  fill(name, value, proposed) {
    const field = this.form.elements[name];
    if (name in this.typed) {
      const better = String(proposed[name] ?? "");
      this.hint(name, better && better !== field.value ? better : "");
      if (document.activeElement !== field && field.value !== String(this.typed[name])) {
        field.value = this.typed[name];
      }
      return;
    }
    if (document.activeElement !== field && field.value !== value) field.value = value;
  }

  department({ department, reason, confidence, candidates }) {
    this.why.textContent = department
      ? t("agent.department_why", { department, reason, percent: Math.round(100 * confidence) })
      : "";
    document.getElementById("departments").replaceChildren(...candidates.map(([value]) =>
      Object.assign(document.createElement("option"), { value })));
  }

  /** A proposal beside a field that somebody has typed into; one click takes it. */
  hint(name, value) {
    if (name === "department") return;
    const label = this.form.elements[name].closest("label");
    label.querySelector(".hint")?.remove();
    if (!value) return;
    const hint = Object.assign(document.createElement("span"), { className: "hint" });
    const take = Object.assign(document.createElement("button"), {
      type: "button", textContent: t("agent.proposed", { value }),
    });
    take.addEventListener("click", () => {
      this.form.elements[name].value = value;
      this.typedIn(this.form.elements[name]);
      hint.remove();
    });
    hint.append(take);
    label.append(hint);
  }

  typedIn(field) {
    if (!field.name) return;
    this.typed[field.name] = field.type === "checkbox" ? field.checked : field.value;
    this.saved.textContent = t("agent.saving");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), KEEP_MS);
  }

  /** What was typed, to the server; resolves once it is there. */
  async keep() {
    clearTimeout(this.timer);
    const id = this.of();
    if (!id) return;
    const sent = { ...this.typed };
    try {
      const { version } = await call(
        "PUT", `/v1/agent/calls/${encodeURIComponent(id)}/draft`,
        { typed: sent, version: this.version },
      );
      this.version = version;
      this.timer = 0;
      this.saved.textContent = t("agent.saved");
    } catch (fault) {
      this.timer = 0;
      if (fault instanceof Refused && fault.code === "draft.changed") {
        // Another page of the same call: its words stay where none were typed here.
        const known = await call("GET", `/v1/agent/calls/${encodeURIComponent(id)}/draft`);
        this.version = known.version;
        this.typed = { ...known.typed, ...sent };
        return this.keep();
      }
      this.saved.textContent = t("agent.not_saved", { message: fault.message });
    }
    return undefined;
  }

  async register(dispatch) {
    const id = this.of();
    for (const name of ["department"]) {
      // What is seen is what is registered, also where it was only proposed.
      if (!(name in this.typed) && this.form.elements[name].value) {
        this.typed[name] = this.form.elements[name].value;
      }
    }
    await this.keep();
    const { ticket } = await call(
      "POST", `/v1/agent/calls/${encodeURIComponent(id)}/ticket`, { dispatch },
    );
    this.registered(ticket);
    return ticket;
  }

  registered(ticket) {
    const told = document.getElementById("ticket");
    told.hidden = false;
    told.textContent = t("agent.registered", { ticket });
  }
}
