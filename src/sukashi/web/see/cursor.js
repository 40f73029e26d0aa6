/** The cursor over the steps: a slider, a button that plays, keys, and the line that says where it stands. */

import { at, h, number } from "./dom.js";

const PLAY_MS = 5000; // for a whole run, between the limits below
const FASTEST = 60;
const SLOWEST = 450;

/** The controls, kept in sight while one scrolls. */
export function transport(store, views, count, say) {
  const slider = h("input", {
    type: "range", min: 1, max: count, step: 1, "aria-label": say("step"), title: say("cursorHelp"),
    oninput: (event) => store.set({ step: Number(event.target.value) - 1, playing: false }),
  });
  const glyph = h("span", { class: "see-glyph", "aria-hidden": "true" });
  const button = h("button", { type: "button", class: "see-play", onclick: () => toggle(store, count) }, glyph);
  const place = h("output", { class: "see-place" });
  const level = h("span", { class: "see-level" });
  store.on(["step"], ({ step }) => {
    const i = at(views[0], step);
    const { t, sigma, alpha, snr } = views[0].steps[i];
    slider.value = step + 1;
    slider.style.setProperty("--see-part", `${(100 * step) / Math.max(1, count - 1)}%`);
    place.textContent = say("stepOf", { i: step + 1, n: count });
    const facts = { t: number(t), sigma: number(sigma ?? Infinity, 3), alpha: number(alpha, 3), snr: number(snr ?? Infinity, 3) };
    level.textContent = `t ${facts.t} · σ ${facts.sigma} · α ${facts.alpha} · SNR ${facts.snr}`;
    level.title = say("level", facts);
    slider.setAttribute("aria-valuetext", `${place.textContent}, t = ${number(t)}`);
  });
  store.on(["playing"], ({ playing }) => {
    glyph.className = `see-glyph ${playing ? "see-bars" : "see-arrow"}`;
    button.setAttribute("aria-label", say(playing ? "pause" : "play"));
  });
  return h("div", { class: "see-transport", role: "group", "aria-label": say("step") },
    button, slider, h("div", { class: "see-where" }, place, level));
}

/** Move the cursor on, again and again, while ``playing`` holds. Returns what stops it for good. */
export function player(store, count) {
  let timer = 0;
  const pause = Math.min(SLOWEST, Math.max(FASTEST, PLAY_MS / count));
  const next = () => {
    const { step, playing } = store.get();
    if (!playing) return;
    store.set(step + 1 < count ? { step: step + 1 } : { playing: false });
    timer = setTimeout(next, pause);
  };
  store.on(["playing"], ({ playing }) => {
    clearTimeout(timer);
    if (playing) timer = setTimeout(next, pause);
  });
  return () => clearTimeout(timer);
}

/** Keys that work where the focus is in ``root`` (or nowhere, with ``everywhere``), except where they mean something. */
export function keys(root, store, count, everywhere) {
  const pressed = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (!root.contains(target) && !(everywhere && target === document.body)) return;
    if (target.closest("input, select, textarea, [contenteditable], .see-scroll")) return;
    const { step } = store.get();
    const moves = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 0, End: count - 1 };
    if (event.key in moves) {
      store.set({ step: Math.min(count - 1, Math.max(0, moves[event.key])), playing: false });
    } else if (event.key === " " && !target.closest("button, summary, a")) {
      toggle(store, count);
    } else if (event.key === "Escape" && store.get().word) {
      store.set({ word: null });
    } else {
      return;
    }
    event.preventDefault();
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

function toggle(store, count) {
  const { step, playing } = store.get();
  store.set(!playing && step === count - 1 ? { step: 0, playing: true } : { playing: !playing });
}
