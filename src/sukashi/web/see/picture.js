/** The picture at the cursor, what else is known of it, and the map of a word over it. */

import { at, choices, h, lastKnown, number, sheet } from "./dom.js";
import { draw, drawDifference } from "./heat.js";

const MODES = ["x0", "x", "eps", "added", "full", "image"];
const LARGEST = 768; // pixels of a canvas, on its longer side
const SMALLEST = 384;

export function picturePanel(store, views, say) {
  const modes = MODES.filter((mode) => mode === "image" || views.some(({ steps }) => steps.some((step) => step[mode])));
  const strip = choices(say("show"), modes.map((mode) => [mode, say(mode), say(`${mode}Title`)]),
    store.get().mode, (mode) => store.set({ mode }));
  const painted = makeStill();
  const frames = views.map((view, k) => frame(store, view, views.length > 1 ? say(k ? "second" : "first") : null, say));
  const figures = frames.map(({ figure }) => figure);
  let difference = null;
  if (views.length > 1) {
    difference = canvasFor(views[0], say("difference"));
    const caption = h("figcaption", { title: say("differenceAbout") }, say("difference"));
    figures.push(h("figure", { class: "see-figure" }, h("div", { class: "see-frame" }, difference), caption));
  }
  const stage = h("div", { class: `see-stage see-stage-${figures.length}` }, figures);
  store.on(["step", "mode", "word", "when", "layer", "style"], async () => {
    const still = painted();
    await Promise.all(frames.map(({ paint }) => paint(still)));
    if (difference) await drawDifference(difference, frames.map(({ current }) => current()), still);
  });
  store.on(["word"], ({ word }) => {
    const { top, bottom } = stage.getBoundingClientRect();
    const hidden = bottom < stage.offsetHeight / 2 || top > window.innerHeight - stage.offsetHeight / 2;
    if (word && stage.isConnected && hidden) stage.scrollIntoView({ block: "center", behavior: "smooth" });
  });
  const film = views.map((view) => filmstrip(store, view, say));
  return sheet("picture", say("picture"), say("pictureAbout"), strip, stage, mapControls(store, views, say), film);
}

/** still = makeStill()(): true until it has been asked for anew. */
function makeStill() {
  let last = 0;
  return () => {
    const mine = ++last;
    return () => mine === last;
  };
}

function canvasFor(view, label) {
  const [width, height] = view.size;
  const longer = Math.max(width, height);
  const scale = Math.min(LARGEST, Math.max(SMALLEST, longer)) / longer;
  const size = { width: Math.round(width * scale), height: Math.round(height * scale) };
  return h("canvas", { ...size, role: "img", "aria-label": label });
}

function frame(store, view, name, say) {
  const canvas = canvasFor(view, say("picture"));
  const missing = h("p", { class: "see-missing", hidden: true }, say("nothing"));
  const caption = h("figcaption", {});
  const shown = ({ step, mode }) => (mode === "image" ? { found: view.image, k: at(view, step) }
    : lastKnown(view.steps, at(view, step), (one) => one[mode]));
  async function paint(still) {
    const { step, mode, word, when, layer, style } = store.get();
    const i = at(view, step);
    const { found: picture, k } = shown(store.get());
    const found = word ? findWord(view, word) : null;
    const map = found ? mapOf(found, i, when, layer) : null;
    missing.hidden = Boolean(picture);
    canvas.setAttribute("aria-label", [say(`${mode}Title`), say("stepOf", { i: i + 1, n: view.steps.length }),
      found ? `${say("attention")} ${found.word}` : ""].filter(Boolean).join(", "));
    caption.textContent = [name, say(mode), mode === "image" ? "" : `t = ${number(view.steps[k].t)}`].filter(Boolean).join(" · ");
    const sharp = mode === "eps" || mode === "added";
    await draw(canvas, { picture, map, style, sharp, still });
  }
  const figure = h("figure", { class: "see-figure" }, h("div", { class: "see-frame" }, canvas, missing), caption);
  return { figure, paint, current: () => shown(store.get()).found };
}

/** The entry of ``view.attention.words`` that a key "side:word:k" names, or null. */
export function findWord(view, key) {
  return (view.attention?.words || []).find((_, index) => wordKey(view, index) === key) || null;
}

/** "positive:cat:0": the same word has the same key in two views; k counts its repeats. */
export function wordKey(view, index) {
  const { words } = view.attention;
  const { word, side } = words[index];
  const before = words.slice(0, index).filter((other) => other.word === word && other.side === side).length;
  return `${side}:${word}:${before}`;
}

function mapOf(found, i, when, layer) {
  if (layer) return found.layers[layer] || null;
  return (when === "step" && lastKnown(found.steps, i).found) || found.map;
}

/** What a lit word's map shows: steps, layer, manner; there only while a word is lit. */
function mapControls(store, views, say) {
  const name = h("strong", {});
  const side = h("span", { class: "see-side" });
  const layers = [...new Set(views.flatMap((view) => (view.attention?.words || []).flatMap((w) => Object.keys(w.layers || {}))))];
  const layer = h("select", { "aria-label": say("layer"), onchange: (event) => store.set({ layer: event.target.value }) },
    h("option", { value: "" }, say("allLayers")), layers.map((one) => h("option", { value: one }, one)));
  const when = choices(say("when"), [["step", say("follow")], ["all", say("whole")]], store.get().when,
    (value) => store.set({ when: value, layer: "" }));
  const style = choices(say("style"), [["colour", say("colour")], ["paper", say("paper")]], store.get().style,
    (value) => store.set({ style: value }));
  const clear = h("button", { type: "button", class: "see-clear", "aria-label": say("clear"), title: say("clear"),
    onclick: () => store.set({ word: null }) }, "×");
  const note = h("p", { class: "see-hint" });
  const controls = h("div", { class: "see-map-controls", role: "group" },
    h("p", {}, say("attention"), " ", name, " ", side, clear), when, layers.length > 0 && layer, style, note);
  store.on(["word", "layer"], ({ word, layer: chosen }) => {
    const found = word && views.map((view) => findWord(view, word)).find(Boolean);
    controls.hidden = !found;
    layer.value = chosen;
    note.textContent = chosen ? say("layerWhole") : "";
    if (!found) return;
    name.textContent = found.word;
    side.textContent = say(found.side);
    side.className = `see-side see-${found.side}`;
    controls.setAttribute("aria-label", `${say("attention")} ${found.word}`);
  });
  return controls;
}

/** The guesses of all steps in a row; a click moves the cursor. The slider does the same for keyboards. */
function filmstrip(store, view, say) {
  const every = Math.max(1, Math.ceil(view.steps.length / 60));
  const shown = view.steps.filter((step, i) => (step.x0 || step.x) && (i % every === 0 || i === view.steps.length - 1));
  if (!shown.length) return null;
  const cells = shown.map((step) => h("button", { type: "button", tabindex: -1, title: `t = ${number(step.t)}`,
    onclick: () => store.set({ step: step.i, playing: false }) },
  h("img", { src: step.x0 || step.x, alt: "", loading: "lazy", decoding: "async" })));
  const film = h("div", { class: "see-film", "aria-hidden": "true", title: say("strip") }, cells);
  store.on(["step"], ({ step }) => {
    const i = at(view, step);
    let current = 0;
    shown.forEach((one, place) => { if (one.i <= i) current = place; });
    cells.forEach((cell, place) => cell.classList.toggle("see-now", place === current));
    const cell = cells[current];
    if (film.scrollWidth > film.clientWidth) film.scrollLeft = cell.offsetLeft - film.clientWidth / 2 + cell.offsetWidth / 2;
  });
  return film;
}
