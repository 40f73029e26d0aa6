// How the noise falls: the share of it in the latent at every level that a sampler visits.

import { html, useEffect, useRef } from "../vendor/preact-htm.js";
import uPlot from "../vendor/uPlot.esm.js";
import { colour } from "../look.js";

const SIDES = 12; // pixels beside the axis, as .window in css/form.css has them
const FOOT = 26; // pixels of the axis below

export function Curve({ levels, look, label }) {
  const place = useRef();
  const plot = useRef(null);
  useEffect(() => {
    const draw = () => {
      plot.current?.destroy();
      plot.current = levels ? new uPlot(options(place.current), data(levels), place.current) : null;
    };
    draw();
    const watcher = new ResizeObserver(() => plot.current?.setSize(size(place.current)));
    watcher.observe(place.current);
    return () => (watcher.disconnect(), plot.current?.destroy(), (plot.current = null));
  }, [levels, look]);
  return html`<div class="curve" ref=${place} role="img" aria-label=${label} />`;
}

const size = (element) => ({ width: element.clientWidth, height: element.clientHeight });

// sigma / sqrt(alpha^2 + sigma^2): 1 is noise alone, 0 the clean picture.
const data = (levels) => [levels.map((_, k) => k), levels.map(({ alpha, sigma }) => sigma / Math.hypot(alpha, sigma))];

function options(element) {
  const ink = colour("soft");
  return {
    ...size(element),
    legend: { show: false },
    cursor: { show: false },
    padding: [6, SIDES, 0, SIDES],
    scales: { x: { time: false, range: (_, low, high) => [low, high] }, y: { range: [0, 1.04] } },
    axes: [
      {
        size: FOOT, stroke: ink, font: "12px sans-serif", gap: 4, space: 34, grid: { show: false },
        ticks: { stroke: colour("line"), width: 1, size: 4 }, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500],
      },
      { show: false },
    ],
    series: [
      {},
      {
        stroke: colour("blue"), width: 1.5, fill: `${colour("blue")}18`,
        points: { show: true, size: 5, fill: colour("sheet"), stroke: colour("blue"), width: 1.5 },
      },
    ],
  };
}
