// Two runs beside one another: their pictures, what was asked differently, and how far apart they are.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { Difference } from "../parts/difference.js";
import { text } from "../parts/fields.js";
import { Facts, Hole } from "../parts/stage.js";
import { Through } from "../parts/through.js";
import { fail } from "../store.js";
import { say } from "../words.js";

export function Compare({ state }) {
  const [a, b] = state.place.map(picked);
  const [jobs, setJobs] = useState(null);
  useEffect(() => {
    setJobs(null);
    if (a && b) Promise.all([api.job(a.id), api.job(b.id)]).then(setJobs, fail);
  }, [a?.id, b?.id]);
  if (!a || !b) return html`<p class="note">${say("compare_choose")} <a href="#/pictures">${say("pictures")}</a></p>`;
  if (!jobs) return html`<p class="note">${say("waiting")}</p>`;
  const [one, two] = jobs;
  const [seed, other] = [seed_of(one, a.shown), seed_of(two, b.shown)];
  return html`
    <h2>${say("compare_title")}</h2>
    <p class="note">${say(seed === other ? "same_noise" : "other_noise", { n: seed })}</p>
    <div class="sides">
      ${jobs.map((job, k) => html`<${Side} key=${k} job=${job} shown=${[a, b][k].shown} name=${"AB"[k]} />`)}
      <${Difference} a=${api.name_of(a.id, a.shown)} b=${api.name_of(b.id, b.shown)} />
    </div>
    <${Asked} one=${one} two=${two} />
    <${Through} id=${a.id} k=${a.shown} other=${b} open=${state.through} language=${state.language}
      look=${state.shown} />
  `;
}

// A picture of a run, as the address says it: the run's id, and which of its pictures where that is not the first.
function picked(text) {
  const [id, shown] = text.split(":");
  return { id, shown: Number(shown) || 0 };
}

const seed_of = (job, shown) => job.images[shown]?.seed ?? job.settings.seed;

const Side = ({ job, shown, name }) => html`
  <figure>
    <a href=${`#/run/${job.id}`} aria-label=${say("open_run", { prompt: job.settings.prompt })}>
      <${Hole} url=${api.picture(job.id, shown)} job=${job} /></a>
    <figcaption><strong>${name}</strong><span>${job.settings.prompt}</span>
      <${Facts} job=${job} k=${shown} /></figcaption>
  </figure>
`;

// The settings in which two runs differ.
function Asked({ one, two }) {
  const names = [...new Set([...Object.keys(one.settings), ...Object.keys(two.settings)])];
  const apart = names.filter((name) => text(one.settings[name]) !== text(two.settings[name]));
  if (!apart.length) return html`<p class="note">${say("asked_same")}</p>`;
  return html`
    <table class="plainly">
      <thead><tr><th>${say("asked_apart")}</th><th>A</th><th>B</th></tr></thead>
      <tbody>
        ${apart.map((name) => html`
          <tr key=${name}><th scope="row">${name}</th>
            <td>${text(one.settings[name])}</td><td>${text(two.settings[name])}</td></tr>`)}
      </tbody>
    </table>
  `;
}
