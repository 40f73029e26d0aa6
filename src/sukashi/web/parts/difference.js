// How far two pictures are apart, as the server measures it and as one sees it.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { say } from "../words.js";
import { fetched } from "./drop.js";

// `a` and `b` are addresses or data URLs.
export function Difference({ a, b }) {
  const [told, setTold] = useState(null);
  useEffect(() => {
    let late = false;
    const ask = async () => {
      const [one, two] = await Promise.all([fetched(a, "A"), fetched(b, "B")]);
      return api.diff(one.url, two.url);
    };
    ask().then((found) => late || setTold(found), (error) => late || setTold({ error: error.message }));
    return () => (late = true);
  }, [a, b]);
  if (!told) return html`<p class="note">${say("waiting")}</p>`;
  if (told.error) return html`<p class="note">${told.error}</p>`;
  const text = told.equal || told.largest === 0
    ? say("diff_equal")
    : say("diff", { largest: told.largest, mean: told.mean.toFixed(2), psnr: told.psnr?.toFixed(1) ?? "∞" });
  return html`
    <p class="difference">${text}</p>
    ${told.picture && told.largest > 0 && html`
      <figure class="pair"><div class="hole"><img src=${told.picture} alt=${say("diff_picture")} /></div>
        <figcaption class="note">${say("diff_picture")}</figcaption></figure>`}
  `;
}
