// The picture: while it is made, and when it is there.

import { html } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { begun_from, form_from, write } from "../form.js";
import { busy } from "../runs.js";
import { change, current, fail } from "../store.js";
import { say } from "../words.js";
import { fetched } from "./drop.js";
import { Notes } from "./fields.js";
import { Icon } from "./icons.js";
import { Lit } from "./lit.js";
import { Scene } from "./scene.js";

export function Stage({ run, held }) {
  const beside = held && held.id !== run?.id;
  return html`
    <div class=${beside ? "stage two" : "stage"} aria-label=${say("stage")} role="region">
      <div class="frames">
        ${beside && html`<${Hole} url=${api.picture(held.id, held.shown)} job=${held.job} />`}
        ${run?.state === "done"
          ? html`<${Hole} url=${api.picture(run.id, run.shown)} job=${run.job} />`
          : run?.preview
            ? html`<${Lit} url=${run.preview} lit=${run.lit} />`
            : html`<div class="hole"><${Scene} /><p class="empty">${say(busy(run) ? "empty_wait" : "empty")}</p></div>`}
      </div>
      ${busy(run) && html`<${Steps} run=${run} />`}
      ${run?.state === "done" && html`<${Caption} run=${run} held=${held} />`}
    </div>
  `;
}

export const Hole = ({ url, job, alt }) => html`
  <div class="hole"><img src=${url} alt=${alt ?? job?.settings?.prompt ?? ""} /></div>
`;

const Steps = ({ run }) => html`
  <div class="steps">
    <progress max=${run.n || 1} value=${run.i} aria-label=${say("progress")} />
    <p class="line"><span>${place_of(run)}</span><span class="keys"><kbd>Esc</kbd> ${say("cancels")}</span></p>
  </div>
`;

// Where a run is, in words.
function place_of({ i, n, k, count, ahead, away }) {
  if (away) return say("away");
  if (!n) return ahead ? say("ahead", { n: ahead }) : say("waiting");
  const step = say("step_of", { i, n });
  return count > 1 ? `${say("picture_n", { n: k + 1 })} · ${step}` : step;
}

function Caption({ run, held }) {
  const { job, shown } = run;
  const { settings, count } = job;
  return html`
    ${count > 1 && html`
      <div class="several" role="group" aria-label=${say("several")}>
        ${Array.from({ length: count }, (_, k) => html`
          <button key=${k} type="button" aria-pressed=${k === shown} aria-label=${say("picture_n", { n: k + 1 })}
            onClick=${() => change({ run: { ...run, shown: k } })}>
            <img src=${api.picture(run.id, k)} alt="" /></button>`)}
      </div>`}
    <div class="caption">
      <p class="said">${settings.prompt || say("no_prompt")}</p>
      <${Facts} job=${job} k=${shown} />
      <${Notes} notes=${job.notes} />
      <${Actions} run=${run} held=${held} />
    </div>
  `;
}

export function Facts({ job, k = 0 }) {
  const { settings, sampler, grid, seconds } = job;
  const facts = [
    say("fact_seed", { n: job.images?.[k]?.seed ?? settings.seed }),
    say("fact_steps", { n: settings.steps ?? "–" }),
    [sampler ?? settings.sampler, grid ?? settings.grid].filter(Boolean).join(" · "),
    say("fact_guidance", { n: settings.guidance ?? "–" }),
    settings.width && `${settings.width} × ${settings.height}`,
    seconds && say("fact_seconds", { n: seconds.toFixed(1) }),
  ];
  return html`<p class="facts">${facts.filter(Boolean).map((fact) => html`<span key=${fact}>${fact}</span>`)}</p>`;
}

function Actions({ run, held }) {
  const { id, job, shown } = run;
  const seed = job.images[shown].seed;
  const from_this = async () => {
    const picture = await fetched(api.picture(id, shown), `${id}.png`).catch(fail);
    if (picture) write(begun_from(current().form, current().about, picture));
    document.querySelector(".canvas canvas")?.scrollIntoView({ block: "center", behavior: "smooth" });
  };
  const again = () => change(({ about }) => ({ form: { ...form_from({ ...job.settings, seed }, { ...job, about }) } }));
  const lay = () => {
    change({ held: held?.id === id ? null : { id, shown, job } });
    write({ seed });
  };
  return html`
    <div class="actions">
      ${action("beside", held?.id === id ? "beside_off" : "beside", lay, held?.id === id)}
      ${action("picture", "from_this", from_this)}
      ${action("again", "settings_again", again)}
      ${held && held.id !== id && html`
        <a class="plain" href=${`#/compare/${held.id}:${held.shown}/${id}:${shown}`}>
          <${Icon} name="swap" />${say("compare_these")}</a>`}
      <a class="plain" href=${api.picture(id, shown)} download=${`${id}-${shown}.png`}><${Icon} name="save" />PNG</a>
    </div>
  `;
}

const action = (icon, key, onClick, pressed = null) => html`
  <button type="button" class="plain" aria-pressed=${pressed} title=${say(`${key}_title`)} onClick=${onClick}>
    <${Icon} name=${icon} />${say(key)}
  </button>
`;
