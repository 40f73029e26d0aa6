/** The prompt as the text encoder reads it: chips, the cut, and the words one can light. */

import { h, number, sheet } from "./dom.js";
import { wordKey } from "./picture.js";

export function tokensPanel(store, views, say) {
  const lit = views.some((view) => view.attention);
  const columns = views.map((view) => {
    const about = h("div", { class: "see-token-about", "aria-live": "polite" }, h("p", { class: "see-hint" }, say("hover")));
    return h("div", { class: "see-prompts" }, ["positive", "negative"].map((side) => prompt(store, view, side, about, say)), about);
  });
  const told = views.flatMap((view) => (view.attention ? [say("daam"), view.attention.note] : [say("noAttention")]));
  const note = [...new Set(told)].filter(Boolean);
  return sheet("words", say("words"), say(lit ? "wordsAbout" : "wordsPlain"),
    h("div", { class: views.length > 1 ? "see-pair" : "" }, columns), note.map((text) => h("p", { class: "see-hint see-note" }, text)));
}

function prompt(store, view, side, about, say) {
  const tokens = view.tokens[side] || [];
  const title = h("h4", { class: `see-side see-${side}` }, say(side));
  const words = tokens.filter(({ kind }) => kind === "word");
  const encoders = [...new Set(tokens.map(({ encoder }) => encoder || 0))];
  const lines = encoders.map((encoder) => [
    encoders.length > 1 && h("p", { class: "see-hint" }, say("encoder", { n: encoder + 1 })),
    chips(store, view, side, tokens.filter((token) => (token.encoder || 0) === encoder), about, say),
  ]);
  return h("div", { class: "see-prompt" }, title, !words.length && h("p", { class: "see-hint" }, say("empty")), lines);
}

/** The chips of one text encoder, chunk by chunk, what was cut off at the end; padding is folded away. */
function chips(store, view, side, tokens, about, say) {
  const chunks = [...new Set(tokens.map(({ chunk }) => chunk))];
  return chunks.map((chunk) => {
    const here = tokens.filter((token) => token.chunk === chunk);
    const shown = here.filter(({ kind }) => kind === "start" || kind === "word");
    const folded = here.filter(({ kind }) => kind !== "start" && kind !== "word");
    const row = h("div", { class: "see-chips", role: "group", "aria-label": chunk === null ? say("cut") : say(side) });
    row.append(...shown.map((token) => chip(store, view, side, token, about, say)));
    if (folded.length) {
      const rest = h("span", { class: "see-rest", hidden: true }, folded.map((t) => chip(store, view, side, t, about, say)));
      const more = h("button", { type: "button", class: "see-more", "aria-expanded": "false", onclick: () => {
        rest.hidden = !rest.hidden;
        more.setAttribute("aria-expanded", String(!rest.hidden));
        more.textContent = rest.hidden ? `+ ${folded.length}` : `− ${folded.length}`;
        more.title = say(rest.hidden ? "padding" : "fewer", { n: folded.length });
      }, title: say("padding", { n: folded.length }) }, `+ ${folded.length}`);
      row.append(more, rest);
    }
    const named = chunk === null ? say("cut") : chunks.length > 1 && say("chunk", { n: chunk + 1 });
    return [named && h("p", { class: chunk === null ? "see-cut" : "see-chunk" }, named), row];
  });
}

function chip(store, view, side, token, about, say) {
  const bare = { start: say("start"), end: say("end"), pad: say("pad") }[token.kind];
  const text = token.piece.replace(/<\/w>$/, "");
  const joined = token.kind === "word" && !token.piece.endsWith("</w>"); // a piece that the next one continues
  const key = token.word !== null && token.word !== undefined && view.attention ? wordKey(view, token.word) : null;
  const weight = token.weight !== 1 && token.kind === "word" ? h("sup", {}, `×${number(token.weight, 3)}`) : null;
  const tell = () => about.replaceChildren(...describe(token, text, bare, say));
  const button = h("button", {
    type: "button", onmouseenter: tell, onfocus: tell,
    class: `see-chip see-kind-${token.kind}${joined ? " see-joined" : ""}${token.chunk === null ? " see-lost" : ""}${key ? " see-light" : ""}`,
    "aria-pressed": key ? "false" : null, "data-word": key, title: bare || null,
    onclick: () => {
      tell();
      if (key) store.set({ word: store.get().word === key ? null : key });
    },
  }, { start: "⟨", end: "⟩", pad: "·" }[token.kind] || text || " ", weight);
  if (bare) button.setAttribute("aria-label", bare);
  if (key) {
    button.style.setProperty("--see-strength", strength(view, token.word));
    store.on(["word"], ({ word }) => button.setAttribute("aria-pressed", String(word === key)));
  }
  return button;
}

/** How much a word is looked at, 0..1 of the most looked at on its side: the chip's underline. */
function strength(view, index) {
  const mean = ({ share }) => share.reduce((sum, one) => sum + one, 0) / Math.max(1, share.length);
  const word = view.attention.words[index];
  const highest = Math.max(...view.attention.words.filter(({ side }) => side === word.side).map(mean));
  return highest > 0 ? (mean(word) / highest).toFixed(3) : "0";
}

function describe(token, text, bare, say) {
  const facts = { position: token.position ?? "–", id: token.id, weight: number(token.weight), norm: number(token.norm, 3) };
  const near = (token.nearest || []).map(([word, cosine]) => h("li", {}, h("span", { class: "see-near" }, word),
    h("span", { class: "see-bar", style: { "--see-part": `${Math.max(0, 100 * cosine)}%` } }), h("span", { class: "see-number" }, cosine.toFixed(2))));
  return [
    h("p", {}, h("strong", {}, bare || text), " ", h("span", { class: "see-hint" }, say(token.chunk === null ? "tokenCut" : "token", facts))),
    near.length ? h("div", { class: "see-nearest" }, h("span", { class: "see-hint" }, say("nearest")), h("ol", {}, near)) : "",
  ];
}
