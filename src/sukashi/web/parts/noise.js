// The first noise: its seed, its size, and how many pictures begin from it.

import { html } from "../vendor/preact-htm.js";
import { learn } from "../about.js";
import { model_of, write } from "../form.js";
import { say } from "../words.js";
import { Choice, Number as Field } from "./fields.js";
import { Icon } from "./icons.js";

function choose(model) {
  write({ model });
  learn();
}

export function Noise({ form, about, last }) {
  const model = model_of(about, form.model);
  const defaults = model?.defaults ?? {};
  const cell = model?.cell ?? 8;
  return html`
    <section aria-label=${say("noise")}>
      <h2>${say("noise")}</h2>
      ${about?.models.length > 1 && html`
        <${Choice} id="model" label=${say("model")} value=${model.name} onChange=${choose}
          options=${about.models} />`}
      ${model && !model.defaults && html`<p class="note">${say("model_loading")}</p>`}
      <div>
        <label for="seed">${say("seed")}</label>
        <div class="with-buttons">
          <input id="seed" type="number" min="0" step="1" inputmode="numeric" value=${form.seed}
            placeholder=${say("seed_new")} onInput=${(event) => write({ seed: event.target.value })} />
          <button type="button" class="plain" title=${say("seed_dice")} aria-label=${say("seed_dice")}
            onClick=${() => write({ seed: "" })}><${Icon} name="dice" /></button>
          <button type="button" class="plain" title=${say("seed_last")} aria-label=${say("seed_last")}
            disabled=${last === null} onClick=${() => write({ seed: last })}><${Icon} name="again" /></button>
        </div>
      </div>
      <div class="row">
        <${Field} id="width" label=${say("width")} value=${form.width} auto=${defaults.width} min=${cell} step=${cell}
          onInput=${(value) => write({ width: value })} />
        <${Field} id="height" label=${say("height")} value=${form.height} auto=${defaults.height} min=${cell}
          step=${cell} onInput=${(value) => write({ height: value })} />
        <${Field} id="count" label=${say("count")} value=${form.count} min="1" max=${about?.limits?.count}
          onInput=${(value) => write({ count: value })} />
      </div>
    </section>
  `;
}
