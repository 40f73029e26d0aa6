// One run at a time on the stage: asked for, followed, shown, given up.

import * as api from "./api.js";
import { settings_of } from "./form.js";
import { change, current, fail } from "./store.js";
import { say } from "./words.js";

// A run is {id, state: "queued" | "drawing" | "done" | "failed" | "cancelled", i, n, preview, shown, job}.
let stop = () => {};

export const busy = (run) => run?.state === "queued" || run?.state === "drawing";

const put = (patch) => change(({ run }) => ({ run: { ...run, ...patch } }));

export async function draw() {
  const { form, about, run } = current();
  if (busy(run)) return;
  change({ error: "", said: say("said_began") });
  await begin(request_of(form, about));
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
  change({ run: { id: null, state: "queued", i: 0, n: 0, preview: null, shown: 0, job: null } });
  try {
    const { id } = await api.submit(request);
    put({ id });
    return await follow(id);
  } catch (error) {
    change({ run: null });
    fail(error);
    return null;
  }
}

// Resolves with the finished job, or null where it was not finished.
function follow(id) {
  return new Promise((resolve) => {
    stop = api.events(id, async (name, data) => {
      if (current().run?.id !== id) return;
      if (name === "queued") put({ ahead: data.ahead ?? 0 });
      if (name === "step") put({ state: "drawing", i: data.i, n: data.n, preview: data.preview ?? current().run.preview });
      if (name === "done") {
        stop();
        put({ state: "done", job: await api.job(id) });
        change({ said: say("said_done") });
        resolve(current().run.job);
      }
      if (name === "failed" || name === "cancelled") {
        stop();
        put({ state: name });
        if (name === "failed") fail(data.error ?? data.detail);
        change({ said: say(name === "failed" ? "said_failed" : "said_cancelled") });
        resolve(null);
      }
    });
  });
}

export async function give_up() {
  const { run } = current();
  if (busy(run) && run.id) await api.cancel(run.id).catch(fail);
}

// Put a run of the past on the stage, or follow it where it is not over.
export async function open(id) {
  if (current().run?.id === id) return;
  stop();
  try {
    const job = await api.job(id);
    const over = job.state === "done";
    change({ run: { id, state: over ? "done" : job.state, i: 0, n: 0, preview: null, shown: 0, job } });
    if (job.state === "queued" || job.state === "running") {
      put({ state: "queued", job: null });
      follow(id);
    }
    if (job.error) fail(job.error);
  } catch (error) {
    fail(error);
  }
}
