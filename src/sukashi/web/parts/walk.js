// The way through the noise: sampler, grid, steps, guidance, and when the negative prompt holds.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { model_of, number, walked, write } from "../form.js";
import { say } from "../words.js";
import { Curve } from "./curve.js";
import { Choice, Number as Field } from "./fields.js";
import { Window } from "./window.js";

export function Walk({ form, about, look, run }) {
  const [schedule, setSchedule] = useState(null);
  const steps = number(form, about, "steps");
  const { model, sampler, grid } = form;
  useEffect(() => {
    let late = false;
    const timer = setTimeout(async () => {
      const asked = { model: model || null, sampler, grid, steps };
      const found = await api.schedule(asked).catch(({ message }) => ({ error: message }));
      if (!late) setSchedule(found);
    }, 120);
    return () => ((late = true), clearTimeout(timer));
  }, [model, sampler, grid, steps]);

  const defaults = model_of(about, model)?.defaults ?? {};
  const run_steps = walked(form, about);
  const skipped = steps - run_steps;
  const from = Math.min(steps - 1, skipped + Math.round(form.window[0] * run_steps));
  const to = Math.max(from + 1, skipped + Math.round(form.window[1] * run_steps));
  const now = run?.state === "drawing" && run.n ? skipped + (run.i * run_steps) / run.n : null;
  const told = form.negative.trim() ? (to - from === run_steps ? "window_all" : "window_part") : "window_none";
  return html`
    <section aria-label=${say("walk")}>
      <h2>${say("walk")}<span class="note">${schedule?.calls && say("calls", { n: schedule.calls })}</span></h2>
      <div class="row two">
        <${Choice} id="sampler" label=${say("sampler")} value=${sampler} options=${about?.samplers}
          auto=${say("as_model")} onChange=${(value) => write({ sampler: value })} />
        <${Choice} id="grid" label=${say("grid")} value=${grid} options=${about?.grids} auto=${say("as_sampler")}
          onChange=${(value) => write({ grid: value })} />
      </div>
      <div class="walk">
        <${Curve} levels=${schedule?.levels} look=${look} label=${say("curve", { steps })} />
        <${Window} ...${{ from, to, steps, now, skipped }} idle=${!form.negative.trim()}
          onChange=${(a, b) => write({ window: [(a - skipped) / run_steps, (b - skipped) / run_steps] })} />
      </div>
      <p class="note">${schedule?.error ?? say(told, { from, to, steps })}</p>
      <div class="row two">
        <${Field} id="steps" label=${say("steps")} value=${form.steps} auto=${defaults.steps} min="1"
          max=${about?.limits?.steps} onInput=${(value) => write({ steps: value })} />
        <${Field} id="guidance" label=${say("guidance")} value=${form.guidance} auto=${defaults.guidance} min="0"
          max="30" step="0.5" onInput=${(value) => write({ guidance: value })} />
      </div>
    </section>
  `;
}
