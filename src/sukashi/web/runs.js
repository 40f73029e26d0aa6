// One run at a time on the stage: asked for, followed, shown, given up.

import * as api from "./api.js";
import { settings_of } from "./form.js";
import { change, current, fail } from "./store.js";
import { say, server_says } from "./words.js";

// A run on the stage. Its id is null while it is handed in.
const fresh = (id) => ({
  id,
  state: "queued", // queued, drawing, done, failed, cancelled
  away: false, // the server cannot be heard
  ahead: 0, // pictures before it
  ...{ i: 0, n: 0, k: 0, count: 1 }, // step i of n of picture k of count
  preview: null, // what is foreseen at that step
  lit: null, // {size, words}: where the words are looked for at that step, where the run is watched
  shown: 0, // which of the finished pictures is looked at
  job: null, // as the server tells it, once it is done
});

let stop = () => {}; // listening to the run

export const busy = (run) => run?.state === "queued" || run?.state === "drawing";

const put = (patch) => change(({ run }) => ({ run: { ...run, ...patch } }));

export async function draw() {
  const { form, about, run, through } = current();
  if (busy(run)) return;
  change({ error: "", said: say("said_began") });
  document.querySelector(".stage")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  await begin({ ...request_of(form, about), attention: through });
}

function request_of(form, about) {
  const settings = settings_of(form, about);
  const request = { ...settings, model: form.model || null };
  if (!form.picture) return { ...request, task: "text-to-image" };
  const start = { ...request, picture: form.picture.url, strength: form.strength };
  return form.mask ? { ...start, task: "inpaint", mask: form.mask } : { ...start, task: "image-to-image" };
}

export async function begin(request) {
  stop();
  const before = current().run;
  change({ run: fresh(null) });
  try {
    const { id } = await api.submit(request);
    const { run, view } = current();
    put({ id });
    if (view === "draw") history.replaceState(null, "", `#/run/${id}`); // a reload finds it again
    if (run?.unwanted) await api.cancel(id);
    return await follow(id);
  } catch (error) {
    change({ run: before?.state === "done" ? before : null }); // what was refused takes no picture away
    fail(error);
    return null;
  }
}

// Resolves with the finished job, or null where it was not finished.
function follow(id) {
  return new Promise((resolve) => {
    stop = api.events(id, (name, data) => {
      if (current().run?.id !== id) return;
      put({ away: name === "away" });
      if (name === "queued") put({ ahead: data.ahead ?? 0 });
      if (name === "step") {
        const { i, n, k, count, preview } = data;
        put({ state: "drawing", i, n, k, count, preview: preview ?? current().run.preview });
      }
      if (name === "attention") put({ lit: data });
      if (name === "done") {
        stop();
        put({ state: "done", job: data });
        change({ said: say("said_done") });
        resolve(data);
      }
      if (name === "failed" || name === "cancelled") {
        stop();
        put({ state: name });
        if (name === "failed") fail(server_says(data.error?.message ?? data.error, data.code, data.values));
        change({ said: say(name === "failed" ? "said_failed" : "said_cancelled") });
        resolve(null);
      }
    });
  });
}

export async function give_up() {
  const { run } = current();
  if (!busy(run)) return;
  if (run.id) await api.cancel(run.id).catch(fail);
  else put({ unwanted: true }); // it is still being handed in
}

// Put a run of the past on the stage, or follow it where it is not over.
export async function open(id) {
  if (current().run?.id === id) return;
  stop();
  try {
    const job = await api.job(id);
    change({ run: { ...fresh(id), state: job.state, job } });
    if (job.state === "queued" || job.state === "running") {
      put({ state: "queued", job: null });
      follow(id);
    }
    if (job.error) fail(server_says(job.error, job.why?.code, job.why?.values));
  } catch (error) {
    fail(error);
  }
}
