// The picture while it is drawn, with its words: a chosen one lights where the U-Net looks for it at this step.

import { html, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";
import { say } from "../words.js";

export function Lit({ url, lit }) {
  const [chosen, setChosen] = useState(null); // "side word number"
  const words = lit?.words.filter((word) => word.map) ?? [];
  const shown = words.find((word, k) => key_of(word, k) === chosen);
  return html`
    <div class="watched">
      <div class="hole"><img src=${url} alt=${say("preview")} />
        ${shown && html`<${Glow} map=${shown.map} size=${lit.size} />`}</div>
      ${words.length > 0 && html`
        <ul class="chips" aria-label=${say("lit")} title=${say("lit_hint")}>
          ${words.map((word, k) => html`
            <${Word} key=${key_of(word, k)} word=${word} on=${word === shown}
              onChoose=${() => setChosen(word === shown ? null : key_of(word, k))} />`)}
        </ul>`}
    </div>
  `;
}

const key_of = (word, k) => `${word.side} ${word.word} ${k}`;

function Word({ word, on, onChoose }) {
  const share = (100 * word.share).toFixed(1);
  const label = say("lit_word", { word: word.word, share });
  return html`
    <li><button type="button" class=${word.side === "negative" ? "chip negative" : "chip"} aria-pressed=${on}
      aria-label=${label} title=${label} style=${{ "--share": Math.min(1, word.share * 5) }}
      onClick=${onChoose}>${word.word}</button></li>
  `;
}

// `map` is base64 of a byte for each cell, row by row; the browser enlarges it smoothly.
function Glow({ map, size: [width, height] }) {
  const canvas = useRef();
  useLayoutEffect(() => {
    const cells = Uint8Array.from(atob(map), (letter) => letter.charCodeAt(0));
    const glow = new ImageData(width, height);
    cells.forEach((value, k) => glow.data.set([255, 196 - value / 2, 120 - value / 3, value * 0.72], 4 * k));
    canvas.current.getContext("2d").putImageData(glow, 0, 0);
  }, [map, width, height]);
  return html`<canvas class="glow" ref=${canvas} ...${{ width, height }} />`;
}
