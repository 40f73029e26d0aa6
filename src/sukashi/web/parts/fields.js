// Fields of the form that know what an empty one means.

import { html } from "../vendor/preact-htm.js";
import { noted } from "../words.js";

// The value of a setting as one reads it.
export function text(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export const Number = ({ id, label, value, auto, min, max, step = 1, onInput }) => html`
  <div>
    <label for=${id}>${label}</label>
    <input id=${id} type="number" inputmode="decimal" ...${{ min, max, step, value }} placeholder=${auto ?? ""}
      onInput=${(event) => onInput(event.target.value)} />
  </div>
`;

export const Notes = ({ notes }) => notes?.length > 0 && html`
  <ul class="notes">
    ${notes.map(noted).map(({ text, lang }) => html`<li key=${text} lang=${lang}>${text}</li>`)}
  </ul>
`;

// `options` are {name, label}; the first entry leaves the choice to the model.
export const Choice = ({ id, label, value, options = [], auto, onChange }) => html`
  <div>
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${auto && html`<option value="">${auto}</option>`}
      ${options.map((each) => html`
        <option key=${each.name} value=${each.name} selected=${each.name === value}>${each.label}</option>`)}
    </select>
  </div>
`;
