// The server's routes (docs/serve.md), each as one function. What fails throws an Error with the server's sentence.

const root = new URL("api/", document.baseURI);

async function ask(path, { method = "GET", body, query = {} } = {}) {
  const address = new URL(path, root);
  for (const [name, value] of Object.entries(query)) if (value) address.searchParams.set(name, value);
  const sent = body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(address, { method, ...sent });
  } catch {
    throw new Error("the server does not answer: is it still running?");
  }
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(sentence(told) ?? `the server answered ${answer.status}`);
  return told;
}

function sentence(told) {
  const said = told?.error?.message ?? told?.error ?? told?.detail;
  return typeof said === "string" ? said : null;
}

export const about = (model) => ask("about", { query: { model } });
export const tokens = (body) => ask("tokens", { method: "POST", body });
export const schedule = (body) => ask("schedule", { method: "POST", body });
export const submit = (body) => ask("jobs", { method: "POST", body });
export const job = (id) => ask(`jobs/${encodeURIComponent(id)}`);
export const jobs = (query) => ask("jobs", { query });
export const cancel = (id) => ask(`jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
export const see = (id, k = 0) => ask(`jobs/${encodeURIComponent(id)}/see`, { query: { k } });
export const read = (picture) => ask("read", { method: "POST", body: { picture } });
export const diff = (a, b) => ask("diff", { method: "POST", body: { a, b } });

// A finished picture: its address for the browser, and its name for the server's own routes.
export const picture = (id, k = 0) => new URL(`jobs/${encodeURIComponent(id)}/images/${k}.png`, root).href;
export const name_of = (id, k = 0) => `/api/jobs/${id}/images/${k}.png`;

const EVENTS = ["queued", "step", "image", "done", "failed", "cancelled"];

// Follow a job: `hear(name, data)` for each event; returns a function that stops listening. A connection that breaks
// ("away") is taken up again by the browser, and the server begins with where the job is.
export function events(id, hear) {
  const source = new EventSource(new URL(`jobs/${encodeURIComponent(id)}/events`, root));
  for (const name of EVENTS) source.addEventListener(name, (event) => hear(name, JSON.parse(event.data)));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) hear("failed", { error: "the server ended the connection" });
    else hear("away", {});
  };
  return () => source.close();
}
