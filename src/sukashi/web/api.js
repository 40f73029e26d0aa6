// The server's routes (docs/serve.md), each as one function. What fails throws an Error with the server's sentence.

import { say, server_says } from "./words.js";

const root = new URL("api/", document.baseURI);

async function ask(path, { method = "GET", body, query = {} } = {}) {
  const address = new URL(path, root);
  for (const [name, value] of Object.entries(query)) if (value) address.searchParams.set(name, value);
  const sent = body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(address, { method, ...sent });
  } catch {
    throw new Error(say("no_answer"));
  }
  const told = await answer.text().then(parsed).catch(() => null);
  if (!answer.ok) throw new Error(sentence(told) ?? say("odd_answer", { status: answer.status }));
  return told;
}

// JSON whose seeds are beyond what a number of JavaScript holds: those stay texts, digit by digit, and go back as such.
const parsed = (text) => JSON.parse(text.replace(/("(?:variation_)?seed": ?)(\d{16,})/g, '$1"$2"'));

function sentence(told) {
  const said = told?.error?.message ?? told?.error ?? told?.detail;
  return typeof said === "string" ? server_says(said, told.error?.code, told.error?.values) : null;
}

export const about = (model) => ask("about", { query: { model } });
export const tokens = (body) => ask("tokens", { method: "POST", body });
export const schedule = (body) => ask("schedule", { method: "POST", body });
export const submit = (body) => ask("jobs", { method: "POST", body });
export const job = (id) => ask(`jobs/${encodeURIComponent(id)}`);
export const jobs = (query) => ask("jobs", { query });
export const cancel = (id) => ask(`jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
export const forget = (id) => ask(`jobs/${encodeURIComponent(id)}`, { method: "DELETE", query: { forget: true } });
export const see = (id, k = 0) => ask(`jobs/${encodeURIComponent(id)}/see`, { query: { k } });
export const read = (picture) => ask("read", { method: "POST", body: { picture } });
export const diff = (a, b) => ask("diff", { method: "POST", body: { a, b } });

// A finished picture: its address for the browser, and its name for the server's own routes.
export const picture = (id, k = 0) => new URL(`jobs/${encodeURIComponent(id)}/images/${k}.png`, root).href;
export const name_of = (id, k = 0) => `/api/jobs/${id}/images/${k}.png`;

const EVENTS = ["queued", "step", "attention", "image", "done", "failed", "cancelled"];

// Follow a job: `hear(name, data)` for each event; returns a function that stops listening. A connection that breaks
// ("away") is taken up again by the browser, and the server begins with where the job is.
export function events(id, hear) {
  const source = new EventSource(new URL(`jobs/${encodeURIComponent(id)}/events`, root));
  for (const name of EVENTS) source.addEventListener(name, (event) => hear(name, parsed(event.data)));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) hear("failed", { error: say("ended") });
    else hear("away", {});
  };
  return () => source.close();
}
