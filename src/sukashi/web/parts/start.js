// Beginning from a picture: image to image, or with a painted mask, inpainting.

import { html } from "../vendor/preact-htm.js";
import { begun_from, write } from "../form.js";
import { current, fail } from "../store.js";
import { say } from "../words.js";
import { Brush } from "./brush.js";
import { Drop, picture_of } from "./drop.js";
import { Icon } from "./icons.js";

const take = (file) =>
  picture_of(file)
    .then((picture) => write(begun_from(current().form, current().about, picture)))
    .catch(() => fail(say("not_a_picture", { name: file.name })));

export function Start({ form, look }) {
  const { picture, strength, mask } = form;
  if (!picture) {
    return html`
      <section aria-label=${say("start")}>
        <h2>${say("start")}</h2>
        <${Drop} id="start-file" label=${say("start_drop")} onFile=${take} />
      </section>
    `;
  }
  const remove = () => write({ picture: null, mask: null, width: "", height: "" });
  return html`
    <section aria-label=${say("start")}>
      <h2>${say("start")}
        <button type="button" class="plain" onClick=${remove}><${Icon} name="close" />${say("start_remove")}</button>
      </h2>
      <${Brush} picture=${picture} look=${look} onMask=${(painted) => write({ mask: painted })} />
      <p class="note">${say(mask ? "mask_some" : "mask_hint")}</p>
      <div>
        <label for="strength">${say("strength")} <output>${Math.round(strength * 100)} %</output></label>
        <input id="strength" type="range" min="0.05" max="1" step="0.05" value=${strength}
          onInput=${(event) => write({ strength: Number(event.target.value) })} />
      </div>
    </section>
  `;
}
