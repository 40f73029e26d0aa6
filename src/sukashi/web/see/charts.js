/** One chart with uPlot: its legend in words and numbers, a line at the cursor, a click that moves it. */

import uPlot from "../vendor/uPlot.esm.js";
import { h, number } from "./dom.js";

const HEIGHT = 170;
const AXIS = 46; // pixels for the numbers on the left

/**
 * A chart: ``lines`` are {label, values, colour, dash, dots, width, faint} over ``xs``; ``mark`` is {x, label} or null.
 * ``where(step)`` is the cursor's place on the x axis, ``choose(index)`` is called with the place clicked on.
 * Returns {element, refresh, destroy}; it is drawn once it is in the page and has a width.
 */
export function chart({ title, about, xs, lines, log, range, mark, where, choose, xLabel }) {
  const place = h("div", { class: "see-plot" });
  const cells = lines.map((line) => !line.faint && h("li", { class: line.dash ? "see-dashed" : "" },
    h("span", { class: "see-swatch", style: { "--see-line": `var(--see-${line.colour})` } }), h("span", {}, line.label), " ",
    h("span", { class: "see-number" })));
  const marked = mark ? h("li", { class: "see-marked" }, mark.label) : null;
  const element = h("figure", { class: "see-chart" },
    h("figcaption", {}, h("strong", {}, title), " ", h("span", { class: "see-hint" }, about)),
    place, h("ul", { class: "see-legend" }, cells, marked));
  let plot = null;

  const tell = (index) => lines.forEach((line, k) => {
    if (cells[k]) cells[k].lastChild.textContent = index === null ? "" : number(line.values[index], 3);
  });
  const home = () => nearest(xs, where());
  const probe = h("span", { hidden: true }); // what a colour is, light or dark, only a style can tell
  element.append(probe);
  const ink = (name) => () => {
    probe.style.color = `var(--see-${name})`;
    return getComputedStyle(probe).color;
  };
  const axis = { stroke: ink("soft"), grid: { stroke: ink("grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };

  function make(width) {
    plot = new uPlot({
      width, height: HEIGHT, padding: [10, 10, 0, 0], legend: { show: false },
      cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false }, y: log ? { distr: 3 } : { range: range || null } },
      axes: [
        { ...axis, size: 26, space: 44, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : "")) },
        { ...axis, size: AXIS, space: 34, ...(log ? { splits: (_, __, low, high) => powers(low, high) } : {}), values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : brief(tick))) },
      ],
      series: [{}, ...lines.map((line) => ({
        stroke: ink(line.colour), width: line.width || 2, dash: line.dash ? [5, 4] : [], spanGaps: Boolean(line.spanGaps),
        points: { show: Boolean(line.dots), size: 6, fill: ink(line.colour) },
        paths: line.dots ? () => null : undefined,
      }))],
      hooks: {
        draw: [(u) => {
          if (mark) stroke(u, mark.x, ink("critical")(), [3, 3], 1.5);
          stroke(u, where(), ink("ink")(), [], 1.5);
        }],
        setCursor: [(u) => tell(u.cursor.idx ?? home())],
      },
    }, [xs, ...lines.map(({ values }) => values.map((one) => (Number.isFinite(one) && (!log || one > 0) ? one : null)))], place);
    plot.over.addEventListener("click", () => { if (plot.cursor.idx !== null) choose(plot.cursor.idx); });
    tell(home());
  }

  const watch = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width < 60) return;
    if (plot) plot.setSize({ width, height: HEIGHT });
    else make(width);
  });
  watch.observe(place);
  return {
    element,
    refresh() {
      tell(home());
      if (plot) plot.redraw(false, false);
    },
    destroy() {
      watch.disconnect();
      if (plot) plot.destroy();
    },
    label(text) {
      place.setAttribute("role", "img");
      place.setAttribute("aria-label", text);
    },
  };
}

function stroke(u, x, colour, dash, width) {
  const { ctx, bbox } = u;
  const left = Math.round(u.valToPos(x, "x", true));
  if (!Number.isFinite(left) || left < bbox.left - 1 || left > bbox.left + bbox.width + 1) return;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = width * (window.devicePixelRatio || 1);
  ctx.setLineDash(dash.map((one) => one * (window.devicePixelRatio || 1)));
  ctx.beginPath();
  ctx.moveTo(left, bbox.top);
  ctx.lineTo(left, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** Powers of ten from low to high, six at most. */
function powers(low, high) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((last - first + 1) / 6));
  return Array.from({ length: Math.max(0, Math.floor((last - first) / every) + 1) }, (_, k) => 10 ** (first + k * every));
}

function nearest(xs, x) {
  let best = 0;
  xs.forEach((one, k) => { if (Math.abs(one - x) < Math.abs(xs[best] - x)) best = k; });
  return best;
}

function brief(value) {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(0).replace("-", "−") : number(value, 3);
}
