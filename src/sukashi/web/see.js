/**
 * The see-through view: one run of the sampler, every panel moved by one cursor over the steps.
 *
 *     import { see } from "./see.js";
 *     const shown = see(element, view, { language: "en" });
 *     shown.store.set({ step: 3 });
 *     shown.destroy();
 *
 * ``view`` is the JSON of sukashi.watch.export.view, version 1. Nothing is fetched: all pictures are inside.
 * Styles: see.css and vendor/uPlot.min.css.
 */

import { keys, player, transport } from "./see/cursor.js";
import { curvesPanel } from "./see/curves.js";
import { h, makeStore, number } from "./see/dom.js";
import { embeddingPanel, schedulePanel, settingsPanel } from "./see/facts.js";
import { networkPanel } from "./see/network.js";
import { picturePanel } from "./see/picture.js";
import { tokensPanel } from "./see/tokens.js";
import { speaker } from "./see/words.js";

const VERSION = 1;

/**
 * Render ``view`` into ``root``, beside it ``compare`` (another view, or null) with the same cursor.
 *
 * language: "en" or "ja". keyboard: "inside" (keys work where the focus is in root) or "page" (also where it is nowhere).
 * state: values of an earlier store to begin with. Returns {store, destroy}; the store's values are step (from 0),
 * playing, mode, word ("side:word:k" or null), when ("step" or "all"), layer and style.
 */
export function see(root, view, { language = "en", compare = null, keyboard = "inside", state = {} } = {}) {
  const say = speaker(language);
  const views = [view, compare].filter(Boolean);
  const other = views.find(({ version }) => version !== VERSION);
  if (other) {
    root.replaceChildren(h("p", { class: "see", role: "alert" }, say("version", { version: other.version })));
    return { store: makeStore({}), destroy: () => root.replaceChildren() };
  }
  const count = Math.max(...views.map(({ steps }) => steps.length));
  const mode = view.steps.some(({ x0 }) => x0) ? "x0" : "image";
  const first = { step: count - 1, playing: false, mode, word: null, when: "step", layer: "", style: "colour" };
  const store = makeStore(fitting({ ...first, ...state, playing: false }, views, count));
  const curves = curvesPanel(store, views, count, say);
  const schedule = schedulePanel(store, views, say);
  const page = h("article", { class: `see${compare ? " see-compare" : ""}`, lang: language, "aria-label": say("view") },
    h("header", { class: "see-head" }, views.map((one, k) => heading(one, views.length > 1 ? say(k ? "second" : "first") : null, say))),
    transport(store, views, count, say),
    h("div", { class: "see-first" }, picturePanel(store, views, say),
      h("div", {}, tokensPanel(store, views, say), embeddingPanel(views, say))),
    curves.element, networkPanel(store, views, say), schedule.element, settingsPanel(views, say));
  root.replaceChildren(page);
  const stops = [player(store, count), keys(root, store, count, keyboard === "page")];
  return {
    store,
    destroy() {
      stops.forEach((stop) => stop());
      [curves, schedule].forEach((panel) => panel.destroy());
      store.clear();
      root.replaceChildren();
    },
  };
}

/** State of an earlier view, as far as it makes sense in this one. */
function fitting(state, views, count) {
  const shows = ({ steps }) => state.mode === "image" || steps.some((step) => step[state.mode]);
  const mode = views.some(shows) ? state.mode : "image";
  return { ...state, mode, step: Math.min(count - 1, Math.max(0, Math.trunc(state.step) || 0)) };
}

function heading(view, name, say) {
  const { settings } = view;
  const facts = { ...view, steps: view.steps.length, seed: settings?.seed, guidance: number(settings?.guidance), seconds: number(view.seconds, 2) };
  return h("div", {},
    h("h2", {}, name && h("span", { class: "see-letter" }, name), view.prompt || "“”"),
    view.negative_prompt && h("p", { class: "see-negative-prompt" }, h("span", {}, say("without")), " ", view.negative_prompt),
    h("p", { class: "see-hint" }, say("made", facts)));
}
