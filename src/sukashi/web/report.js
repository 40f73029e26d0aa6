/** The script of a report: the view that the page carries, and a choice of language. */

import { see } from "./see.js";
import { choices } from "./see/dom.js";

const { view, compare, language } = JSON.parse(document.getElementById("see-data").textContent);
const root = document.getElementById("see");
const strip = document.createElement("div");
let shown = null;
let timer = 0;

function show(chosen) {
  const state = shown ? shown.store.get() : startOf(location.hash);
  if (shown) shown.destroy();
  document.documentElement.lang = chosen;
  shown = see(root, view, { language: chosen, compare, keyboard: "page", state });
  shown.store.on(["step", "word"], ({ step, word }) => {
    clearTimeout(timer); // browsers refuse to be told too often
    timer = setTimeout(() => history.replaceState(null, "", mark(step, word)), 200);
  });
  strip.replaceChildren(choices("Language / 言語", [["en", "English"], ["ja", "日本語"]], chosen, show));
}

/** The step and the word are in the address, so that a link leads to them: #step=5&word=positive:cat:0. */
function mark(step, word) {
  return `#${new URLSearchParams({ step: step + 1, ...(word ? { word } : {}) })}`;
}

function startOf(hash) {
  const asked = new URLSearchParams(hash.slice(1));
  const step = Number(asked.get("step")) - 1;
  const inside = Number.isInteger(step) && step >= 0 && step < view.steps.length;
  return { ...(inside ? { step } : {}), ...(asked.get("word") ? { word: asked.get("word") } : {}) };
}

strip.className = "see-language see";
document.body.prepend(strip);
show(language);
