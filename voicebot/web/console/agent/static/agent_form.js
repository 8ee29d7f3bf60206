// The ticket form: fills itself from what is said, and never over what somebody has typed.

import { call, Refused } from "./api.js";
import { t } from "./messages.js";
import { toast } from "./toast.js";

const KEEP_MS = 600;            // after the last key
const AGAIN_MS = 3000;          // after the service could not be reached, or was busy
const FIELDS = ["matter", "place", "region", "name", "number", "kind", "happened", "department", "note"];

const pathOf = ({ id }, rest) => `/v1/agent/calls/${encodeURIComponent(id)}/${rest}`;

/** One call's form. What is under way for it stays with it, whatever call is shown meanwhile.
 *  typed: as the server has it; own: typed here, and not there yet; kept: the last of its requests. */
const draftOf = (id) => ({
  id, typed: {}, own: {}, version: 0, timer: 0, kept: Promise.resolve(), fault: null, denied: false,
});

export class TicketForm {
  constructor(form) {
    this.form = form;
    this.saved = document.getElementById("saved");
    this.why = document.getElementById("department-why");
    this.unkept = new Map();    // drafts with words that are not on the server yet, by call
    this.show("");
    form.addEventListener("input", ({ target }) => this.typedIn(target));
  }

  /** The form of this call; what was typed into the one before is kept for that. */
  show(id) {
    if (this.draft) this.keep();
    this.draft = this.unkept.get(id) ?? draftOf(id);
    this.form.reset();
    this.saved.textContent = "";
    this.why.textContent = "";
    for (const name of FIELDS) this.hint(name, "");
    for (const [name, value] of Object.entries(this.draft.own)) {
      const field = this.form.elements[name];
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
    }
  }

  /** From the server: what was typed here before, and what is proposed now. */
  async load() {
    const { draft } = this;
    const waits = () => draft !== this.draft || draft.timer || Object.keys(draft.own).length > 0;
    if (!draft.id || draft.denied) return;
    await draft.kept;
    if (waits()) return;
    let known;
    try {
      known = await call("GET", pathOf(draft, "draft"));
    } catch (fault) {
      draft.denied = fault.status === 403;
      return;                   // the next one comes soon
    }
    if (waits() || known.version < draft.version) return;
    draft.version = known.version;
    draft.typed = { ...known.typed };
    for (const name of FIELDS) this.fill(name, String(known.form[name] ?? ""), known.proposed);
    this.form.elements.confidential.checked = Boolean(known.form.confidential);
    this.department(known.department);
    if (known.ticket) this.registered(known.ticket);
  }

  fill(name, value, proposed) {
    const field = this.form.elements[name];
    const { typed } = this.draft;
    if (name in typed) {
      const better = String(proposed[name] ?? "");
      this.hint(name, better && better !== field.value ? better : "");
      if (document.activeElement !== field && field.value !== String(typed[name])) {
        field.value = typed[name];
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
    const { draft } = this;
    if (!field.name || !draft.id) return;
    draft.own[field.name] = field.type === "checkbox" ? field.checked : field.value;
    this.saved.textContent = t("agent.saving");
    this.later(draft, KEEP_MS);
  }

  later(draft, pause) {
    clearTimeout(draft.timer);
    draft.timer = setTimeout(() => this.keep(draft), pause);
  }

  /** What was typed, to the server; resolves to whether all of it is there (else `draft.fault`). */
  keep(draft = this.draft) {
    clearTimeout(draft.timer);
    draft.timer = 0;
    if (Object.keys(draft.own).length) this.unkept.set(draft.id, draft);
    draft.kept = draft.kept.then(() => this.send(draft));
    return draft.kept;
  }

  async send(draft) {
    if (!Object.keys(draft.own).length) return true;
    const own = { ...draft.own };
    const typed = { ...draft.typed, ...own };
    try {
      const { version } = await call("PUT", pathOf(draft, "draft"), { typed, version: draft.version });
      Object.assign(draft, { typed, version, fault: null });
    } catch (fault) {
      return this.notKept(draft, fault);
    }
    for (const [name, value] of Object.entries(own)) {
      if (draft.own[name] === value) delete draft.own[name];
    }
    if (Object.keys(draft.own).length) return this.send(draft);  // typed while it was sent
    this.unkept.delete(draft.id);
    if (draft === this.draft) this.saved.textContent = t("agent.saved");
    return true;
  }

  async notKept(draft, fault) {
    if (fault instanceof Refused && fault.code === "draft.changed") {
      // Another page of the same call: its words stay where none were typed here.
      try {
        const { version, typed } = await call("GET", pathOf(draft, "draft"));
        Object.assign(draft, { version, typed: { ...typed } });
        return await this.send(draft);
      } catch (further) {
        return this.notKept(draft, further);
      }
    }
    draft.fault = fault;
    const message = t("agent.not_saved", { message: fault.message });
    if (draft === this.draft) this.saved.textContent = message;
    if (fault.status === 0 || fault.status === 429 || fault.status >= 500) {
      this.later(draft, AGAIN_MS);
    } else if (draft !== this.draft) {
      toast(`${draft.id} ${message}`, "danger");
    }
    return false;
  }

  /** The ticket of the form as it is seen. Throws Refused, also where the form cannot be kept. */
  async register(dispatch) {
    const { draft } = this;
    const { department } = this.form.elements;
    if (!("department" in draft.typed) && department.value) {
      draft.own.department ??= department.value;    // also where it was only proposed
    }
    if (!(await this.keep(draft))) throw draft.fault;
    const { ticket } = await call("POST", pathOf(draft, "ticket"), { dispatch });
    if (draft === this.draft) this.registered(ticket);
    return ticket;
  }

  /** The call is done (话后处理). Throws Refused. */
  async close(disposition) {
    const { draft } = this;
    if (!(await this.keep(draft))) throw draft.fault;
    const done = await call("POST", pathOf(draft, "close"), { disposition, version: draft.version });
    draft.version = done.version;
    return done;
  }

  registered(ticket) {
    const told = document.getElementById("ticket");
    told.hidden = false;
    told.textContent = t("agent.registered", { ticket });
  }
}
