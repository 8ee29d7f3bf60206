// What the console says, in the page's language: the keys of the catalogue that begin with "js.".

const element = document.getElementById("messages");
const messages = element ? JSON.parse(element.textContent) : {};

/** The message of `js.<key>`, with {name} replaced by its value. */
export function t(key, values = {}) {
  const text = messages[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** What a value that comes in live is called (a side, the state of a leg); else itself. */
export const nameOf = (table, value) => messages[`${table}.${value}`] ?? String(value);
