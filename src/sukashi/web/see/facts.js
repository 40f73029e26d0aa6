/** What does not move with the picture: the schedule, the table of numbers, embeddings, settings and notes. */

import { chart } from "./charts.js";
import { h, number, sheet } from "./dom.js";

const COLUMNS = [
  ["t", (s) => s.t], ["σ", (s) => s.sigma], ["α", (s) => s.alpha], ["α²/σ²", (s) => s.snr],
  ["‖x‖", (s) => s.norms?.x], ["‖x̂₀‖", (s) => s.norms?.x0], ["‖ε̂‖", (s) => s.norms?.eps], ["‖Δ‖", (s) => s.norms?.added],
  ["cos +", (s) => s.cos_cond], ["cos −", (s) => s.cos_uncond], ["ms", (s) => s.ms],
];

/** Returns {element, destroy}. */
export function schedulePanel(store, views, say) {
  const same = views.length > 1 && JSON.stringify(views[0].schedule) === JSON.stringify(views[1].schedule);
  const plots = views.slice(0, same ? 1 : 2).map((view) => plot(store, view, say)).filter(Boolean);
  store.on(["step"], () => plots.forEach((one) => one.refresh()));
  const letter = (k) => (views.length > 1 ? `${say(k ? "second" : "first")}: ` : "");
  const tables = views.map((view, k) => h("details", {}, h("summary", {}, letter(k), say("table")), numbers(store, view, say)));
  return {
    element: sheet("schedule", say("schedule"), say("scheduleAbout"),
      h("div", { class: plots.length > 1 ? "see-pair" : "" }, plots.map(({ element }) => element)), tables),
    destroy: () => plots.forEach((one) => one.destroy()),
  };
}

/** Signal over training steps: the curve of the training, and a dot for every level of the run. */
function plot(store, view, say) {
  const sampled = view.schedule?.alphas_cumprod_sampled || [];
  if (!sampled.length) return null;
  const trained = new Map(sampled);
  const visited = new Map(view.steps.map(({ t, alpha }) => [t, alpha * alpha]));
  const xs = [...new Set([...trained.keys(), ...visited.keys()])].sort((a, b) => a - b);
  const here = () => view.steps[Math.min(store.get().step, view.steps.length - 1)].t;
  const nearest = (t) => view.steps.reduce((best, one) => (Math.abs(one.t - t) < Math.abs(best.t - t) ? one : best)).i;
  return chart({
    title: "ᾱ (t)", about: `${view.sampler}, ${view.grid}`, xs, range: [0, 1],
    lines: [
      { label: say("trained"), colour: "blue", values: xs.map((t) => trained.get(t) ?? visited.get(t)), spanGaps: true },
      { label: say("visited"), colour: "red", values: xs.map((t) => visited.get(t) ?? null), dots: true },
    ],
    where: here, choose: (k) => store.set({ step: nearest(xs[k]), playing: false }),
  });
}

function numbers(store, view, say) {
  const used = COLUMNS.filter(([, read]) => view.steps.some((step) => read(step) !== null && read(step) !== undefined));
  const rows = view.steps.map((step) => h("tr", { onclick: () => store.set({ step: step.i, playing: false }) },
    h("th", { scope: "row" }, String(step.i + 1)), used.map(([, read]) => h("td", {}, number(read(step))))));
  store.on(["step"], ({ step }) => rows.forEach((row, i) => row.classList.toggle("see-now", i === Math.min(step, rows.length - 1))));
  return h("div", { class: "see-scroll", tabindex: 0, role: "region", "aria-label": say("table") }, h("table", { class: "see-steps" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, say("step")), used.map(([name]) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows)));
}

/** The embeddings as pictures; none where they were not recorded. */
export function embeddingPanel(views, say) {
  const pictures = views.flatMap((view) => ["positive", "negative"].map((side) => view.embedding?.[side] && h("figure", { class: "see-embedding" },
    h("img", { src: view.embedding[side], alt: `${say("embedding")}: ${say(side)}` }), h("figcaption", { class: `see-side see-${side}` }, say(side)))));
  return pictures.some(Boolean) ? sheet("embedding", say("embedding"), say("embeddingAbout"), h("div", { class: "see-pair" }, pictures)) : null;
}

/** What was asked for and what was said; in a comparison, what differs is marked. */
export function settingsPanel(views, say) {
  const keys = [...new Set(views.flatMap((view) => Object.keys(view.settings || {})))]
    .filter((key) => views.some((view) => tells(view.settings?.[key])));
  const rows = keys.map((key) => {
    const values = views.map((view) => written(view.settings?.[key]));
    const differs = new Set(values).size > 1;
    return h("tr", { class: differs ? "see-differs" : "" }, h("th", { scope: "row" }, key), values.map((text) => h("td", {}, text)));
  });
  const notes = views.map((view) => h("div", {}, h("h4", {}, say("notes")),
    view.notes?.length ? h("ul", {}, view.notes.map((note) => h("li", {}, note))) : h("p", { class: "see-hint" }, say("noNotes"))));
  return sheet("settings", say("settings"), null, h("div", { class: "see-scroll", tabindex: 0, role: "region", "aria-label": say("settings") },
    h("table", {}, h("tbody", {}, rows))), h("div", { class: views.length > 1 ? "see-pair" : "" }, notes));
}

function tells(value) {
  return value !== null && value !== undefined && value !== "" && value !== false && !(Array.isArray(value) && !value.length);
}

function written(value) {
  return tells(value) ? (typeof value === "object" ? JSON.stringify(value) : String(value)) : "–";
}
