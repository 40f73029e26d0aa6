/** The numbers of a run as curves, one chart for each question, all with the same cursor. */

import { chart } from "./charts.js";
import { number, sheet, h } from "./dom.js";
import { findWord } from "./picture.js";

const SHARES = 12; // words in the chart of shares

/** What is asked of a step, by chart: [name of the text, colour, number of a step]. */
const CHARTS = [
  { name: "norms", lines: [["nx", "blue", (s) => s.norms?.x], ["nx0", "red", (s) => s.norms?.x0], ["neps", "ochre", (s) => s.norms?.eps]] },
  { name: "push", lines: [["nadded", "red", (s) => s.norms?.added], ["ncond", "blue", (s) => s.norms?.cond], ["nuncond", "ochre", (s) => s.norms?.uncond]] },
  { name: "cosines", lines: [["ccond", "blue", (s) => s.cos_cond], ["cuncond", "ochre", (s) => s.cos_uncond]], range: [-1, 1] },
  { name: "snr", lines: [["snr", "blue", (s) => s.snr]], log: true },
];

/** Returns {element, refresh, destroy}. */
export function curvesPanel(store, views, count, say) {
  const xs = Array.from({ length: count }, (_, k) => k + 1);
  const shared = { xs, where: () => store.get().step + 1, choose: (k) => store.set({ step: k, playing: false }) };
  const made = CHARTS.map(({ name, lines, log, range }) => one(name, both(views, lines, xs, say), { log, range }));
  const ratios = views.filter((view) => view.attention?.ratio?.some((value) => value !== null));
  if (ratios.length) {
    const lines = ratios.map((view, k) => line(say("ratio"), "red", xs.map((_, i) => view.attention.ratio[i]), named(views, view, say), k > 0));
    const { critical } = ratios[0].attention;
    const mark = Number.isInteger(critical) ? { x: critical + 1, label: say("critical", { n: critical + 1 }) } : null;
    made.push(one("ratio", lines, { mark }));
  }
  const all = made.filter(Boolean);
  const grid = h("div", { class: "see-charts" }, all.map(({ element }) => element));
  const words = shares(store, views[0], shared, say);
  if (words) grid.append(words.element);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const refresh = () => [...all, words].forEach((part) => part?.refresh());
  store.on(["step"], refresh);
  dark.addEventListener("change", refresh);
  return {
    element: sheet("curves", say("curves"), say("curvesAbout"), grid),
    destroy() {
      dark.removeEventListener("change", refresh);
      [...all, words].forEach((part) => part?.destroy());
    },
  };

  function one(name, lines, more) {
    if (!lines.some(({ values }) => values.some(Number.isFinite))) return null;
    const made = chart({ title: say(name), about: say(`${name}About`), lines, ...shared, ...more });
    made.label(summary(say(name), lines));
    return made;
  }
}

function named(views, view, say) {
  return views.length > 1 ? say(views.indexOf(view) ? "second" : "first") : "";
}

function line(label, colour, values, name, dash) {
  return { label: name ? `${name} ${label}` : label, colour, values, dash };
}

/** The lines of every view; those of the second are dashed. */
function both(views, lines, xs, say) {
  return views.flatMap((view, k) => lines
    .map(([label, colour, read]) => line(say(label), colour, xs.map((_, i) => (view.steps[i] ? read(view.steps[i]) : null)), named(views, view, say), k > 0))
    .filter(({ values }) => values.some(Number.isFinite)));
}

/** For those who hear the page: where each line begins and ends. */
function summary(title, lines) {
  const ends = lines.map(({ label, values }) => {
    const known = values.filter(Number.isFinite);
    return `${label}: ${number(known[0], 3)} → ${number(known[known.length - 1], 3)}`;
  });
  return `${title}. ${ends.join("; ")}`;
}

/** Every word's share of the attention; the lit word stands out. It is drawn anew when another word is lit. */
function shares(store, view, shared, say) {
  const words = (view.attention?.words || []).filter(({ side, share }) => side === "positive" && share?.length);
  if (words.length < 2) return null;
  const element = h("div", {});
  let made = null;
  store.on(["word"], ({ word }) => {
    const found = word ? findWord(view, word) : null;
    const shown = words.slice(0, SHARES);
    if (found && !shown.includes(found)) shown.push(found);
    const lines = shown.filter((one) => one !== found).map((one) => ({
      label: one.word, colour: "faint", values: shared.xs.map((_, i) => one.share[i] ?? null), width: 1.2, faint: true,
    }));
    if (found) lines.push({ label: found.word, colour: "red", values: shared.xs.map((_, i) => found.share[i] ?? null) });
    made?.destroy();
    made = chart({ title: say("share"), about: say("shareAbout"), lines, ...shared });
    made.label(summary(say("share"), lines));
    element.replaceChildren(made.element);
  });
  return { element, refresh: () => made.refresh(), destroy: () => made.destroy() };
}
