// Requests to the service's own API, with what a logged-in browser has to send.

import { t } from "./messages.js";

export const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** An answer that is none of success: `code` and `message` are the service's. */
export class Refused extends Error {
  constructor(status, { code = "failed", message = "" } = {}) {
    super(message || t("failed"));
    this.status = status;
    this.code = code;
  }
}

/** JSON in, JSON out; leaves for the log-in when the session has ended.
 *  Throws Refused, also when the service cannot be reached (status 0). */
export async function call(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      cache: "no-store",
      headers: {
        Accept: "application/json",
        "X-CSRF-Token": csrf(),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refused(0, { code: "away", message: t("away") });
  }
  // Nothing comes with 204, whatever type it is said to have.
  const known = answer.status !== 204 && (answer.headers.get("Content-Type") ?? "").includes("json")
    ? await answer.json() : {};
  if (answer.status === 401) logIn();
  if (!answer.ok) throw new Refused(answer.status, known);
  return known;
}

/** Leaves for the log-in, unless who listens to "login" has reason to stay. */
export function logIn() {
  if (!document.dispatchEvent(new Event("login", { cancelable: true }))) return;
  location.assign(`/console/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}
