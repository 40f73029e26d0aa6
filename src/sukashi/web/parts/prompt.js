// A prompt with its tokens below it: what the text encoder is given, and where a part of them ends.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { say } from "../words.js";

const PAUSE = 180; // milliseconds without a key before the tokens are asked for

export function Prompt({ id, label, hint, value, model, emphasis, truncate, negative, autofocus, onInput }) {
  const [table, setTable] = useState(null);
  const area = useRef();
  useEffect(() => {
    if (!value.trim()) return void setTable(null);
    let late = false;
    const timer = setTimeout(async () => {
      const found = await api.tokens({ prompt: value, model: model || null, emphasis, truncate }).catch(() => null);
      if (!late) setTable(found);
    }, PAUSE);
    return () => ((late = true), clearTimeout(timer));
  }, [value, model, emphasis, truncate]);
  useLayoutEffect(() => grow(area.current), [value]);
  useEffect(() => void (autofocus && innerWidth > 760 && area.current.focus()), []);

  return html`
    <div class=${negative ? "prompt negative" : "prompt"}>
      <div class="over">
        <label for=${id}>${label}</label>
        <${Count} table=${table} />
      </div>
      <textarea id=${id} ref=${area} rows=${negative ? 1 : 2} placeholder=${hint} value=${value} spellcheck="false"
        aria-describedby=${`${id}-tokens`} onInput=${(event) => onInput(event.target.value)} />
      <${Chips} id=${`${id}-tokens`} table=${table} />
    </div>
  `;
}

function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

function Count({ table }) {
  if (!table) return html`<span class="count" />`;
  const kept = table.tokens.filter((token) => token.chunk !== null).length;
  const full = table.chunks > 1 || table.cut;
  const { room, chunks } = table;
  const text = say(chunks > 1 ? "tokens_in_chunks" : "tokens_of", { n: kept, room, chunks });
  return html`<span class=${full ? "count full" : "count"}>${text}</span>`;
}

function Chips({ id, table }) {
  const tokens = table?.tokens ?? [];
  const chips = [];
  tokens.forEach((token, k) => {
    const before = tokens[k - 1];
    if (before && before.chunk !== token.chunk) {
      const key = token.chunk === null ? "tokens_cut" : "tokens_next";
      const text = say(key, { room: table.room, n: (token.chunk ?? 0) + 1 });
      chips.push(html`<li class="cut" key=${`cut${k}`}>${text}</li>`);
    }
    chips.push(html`<${Chip} key=${k} token=${token} />`);
  });
  return html`<ul class="chips" id=${id} aria-label=${say("tokens")}>${chips}</ul>`;
}

function Chip({ token }) {
  const { id, position, norm, weight } = token;
  const word = token.piece.endsWith("</w>");
  const kinds = ["chip", !word && "on", weight !== 1 && "weighted", token.chunk === null && "gone"];
  const title = say("token_title", { id, position: position ?? "–", norm: norm?.toFixed(2) ?? "–" });
  return html`
    <li class=${kinds.filter(Boolean).join(" ")} title=${title}>
      ${token.piece.replace("</w>", "")} ${weight !== 1 && html`<sup>${Number(weight.toPrecision(3))}</sup>`}
    </li>
  `;
}
