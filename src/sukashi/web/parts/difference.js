// How far two pictures are apart, as the server measures it and as one sees it.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { say } from "../words.js";

// `a` and `b` are data URLs or names of this server's own pictures (api.name_of).
export function Difference({ a, b }) {
  const [told, setTold] = useState(null);
  useEffect(() => {
    let late = false;
    api.diff(a, b).then((found) => late || setTold(found), (error) => late || setTold({ error: error.message }));
    return () => (late = true);
  }, [a, b]);
  if (!told) return html`<p class="note">${say("waiting")}</p>`;
  if (told.error) return html`<p class="note difference">${told.error}</p>`;
  const { equal, largest, mean, psnr } = told;
  const numbers = { largest, mean: Number(mean?.toPrecision(2)), psnr: psnr?.toFixed(1) ?? "∞" };
  const text = equal ? say("diff_equal") : say("diff", numbers);
  return html`
    <figure class="difference">
      ${told.picture && html`<div class="hole"><img src=${told.picture} alt=${say("diff_picture")} /></div>`}
      <figcaption>${!told.equal && html`<strong>${say("diff_picture")}</strong>`}<span>${text}</span></figcaption>
    </figure>
  `;
}
