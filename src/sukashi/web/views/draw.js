// The first view: what is asked for on the left, the picture on the right, and below it what went on inside.

import { html } from "../vendor/preact-htm.js";
import { write } from "../form.js";
import { Noise } from "../parts/noise.js";
import { Prompt } from "../parts/prompt.js";
import { Stage } from "../parts/stage.js";
import { Start } from "../parts/start.js";
import { Through } from "../parts/through.js";
import { Walk } from "../parts/walk.js";
import { busy, draw, give_up } from "../runs.js";
import { say } from "../words.js";

export function Draw({ state }) {
  const { form, about, run, held, shown: look, language } = state;
  const { model } = form;
  const { emphasis, truncate } = form.other;
  const send = (event) => {
    event.preventDefault();
    draw();
  };
  const last = run?.job?.images?.[run.shown]?.seed ?? null;
  return html`
    <form class="draw" onSubmit=${send} autocomplete="off" novalidate>
      <section class="words" aria-label=${say("words")}>
        <${Prompt} id="prompt" label=${say("prompt")} hint=${say("prompt_hint")} value=${form.prompt} autofocus
          ...${{ model, emphasis, truncate }} onInput=${(prompt) => write({ prompt })} />
        <${Prompt} id="negative" label=${say("negative")} hint=${say("negative_hint")} value=${form.negative} negative
          ...${{ model, emphasis, truncate }} onInput=${(negative) => write({ negative })} />
        <div class="go">
          ${busy(run)
            ? html`<button type="button" key="stop" class="button main" onClick=${give_up}>${say("cancel")}</button>`
            : html`<button type="submit" key="go" class="button main">${say("draw")}</button>`}
          <kbd>${busy(run) ? "Esc" : "Ctrl + Enter"}</kbd>
        </div>
      </section>
      <${Stage} run=${run} held=${held} />
      <div class="rest">
        <${Walk} ...${{ form, about, look, run }} />
        <${Noise} ...${{ form, about, last }} />
        <${Start} ...${{ form, look }} />
        <${Other} other=${form.other} />
      </div>
    </form>
    ${run?.state === "done" && html`
      <${Through} id=${run.id} k=${run.shown} other=${held && held.id !== run.id ? held : null} open=${state.through}
        ...${{ language, look }} />`}
  `;
}

function Other({ other }) {
  const names = Object.keys(other);
  if (!names.length) return null;
  const text = names.map((name) => `${name} ${JSON.stringify(other[name])}`).join(", ");
  return html`
    <p class="note">${say("other", { text })}
      <button type="button" class="plain" onClick=${() => write({ other: {} })}>${say("other_drop")}</button>
    </p>
  `;
}
