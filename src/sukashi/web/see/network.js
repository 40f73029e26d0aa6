/** The U-Net as a U: its stages by resolution, and the blocks inside the one that is chosen. */

import { h, number, sheet } from "./dom.js";

export function networkPanel(store, views, say) {
  const maps = views.filter((view, k) => view.unet?.length && (k === 0 || !alike(view.unet, views[0].unet)));
  if (!maps.length) return null;
  return sheet("network", say("network"), say("networkAbout"), maps.map((view) => map(view, say)));
}

function alike(a, b) {
  return a.length === b?.length && a.every((row, k) => row.name === b[k].name && row.parameters === b[k].parameters);
}

/** The blocks that no other block of the table holds, and what each holds. */
export function stages(rows) {
  const inside = (row, other) => row !== other && row.name.startsWith(`${other.name}.`);
  const known = rows.filter(({ name }) => name);
  return known.filter((row) => !known.some((other) => inside(row, other)))
    .map((row) => ({ row, parts: known.filter((other) => inside(other, row)) }));
}

function map(view, say) {
  const found = stages(view.unet);
  const most = (key) => Math.max(1e-9, ...found.map(({ row }) => row[key] || 0));
  const [parameters, ms] = [most("parameters"), most("ms")];
  const table = h("div", { class: "see-scroll", tabindex: 0, role: "region", "aria-label": say("network"), hidden: true });
  const sizes = [...new Set(found.filter(({ row }) => row.output?.length === 4 || row.input?.length === 4).map(({ row }) => cells(row)))].sort((a, b) => b - a);
  const rows = placed(found.map(({ row }) => way(row.name)));
  const boxes = found.map(({ row, parts }, k) => {
    const level = Math.max(0, sizes.indexOf(cells(row)));
    const box = h("button", { type: "button", class: `see-stage-box see-${way(row.name)}`, "aria-pressed": "false",
      style: { "--see-row": rows[k], "--see-wide": `${100 * Math.max(0.4, 1 - 0.15 * level)}%` },
      onclick: () => {
        const open = box.getAttribute("aria-pressed") === "true";
        boxes.forEach((other) => other.setAttribute("aria-pressed", "false"));
        box.setAttribute("aria-pressed", String(!open));
        table.hidden = open;
        if (open) return;
        table.replaceChildren(blocks(row, parts, say));
        table.scrollIntoView({ block: "nearest", behavior: "smooth" });
      } },
    h("span", {}, h("span", { class: "see-name" }, row.name), h("span", { class: "see-shape" }, `${shape(row.input)} → ${shape(row.output)}`)),
    h("span", {}, bar("blue", row.parameters / parameters, short(row.parameters), say("parameters")),
      row.ms === null || row.ms === undefined ? null : bar("ochre", row.ms / ms, `${number(row.ms, 3)} ms`, say("time"))));
    return box;
  });
  const sum = (key) => found.reduce((total, { row }) => total + (row[key] || 0), 0);
  return h("div", {}, h("div", { class: "see-u" }, boxes), table,
    h("p", { class: "see-hint" }, say("total", { parameters: short(sum("parameters")), ms: number(sum("ms"), 3) })));
}

/** The row of the U that each stage stands in: down on the left, the middle at the bottom, up on the right. */
function placed(ways) {
  const count = (which) => ways.filter((one) => one === which).length;
  const last = Math.max(count("down"), count("up"));
  const next = { down: last - count("down") + 1, mid: last + 1, up: last };
  return ways.map((one) => (one === "up" ? next.up-- : next[one]++));
}

function cells(row) {
  const shape = row.input?.length === 4 ? row.input : row.output;
  return shape?.length === 4 ? shape[2] * shape[3] : 0;
}

function way(name) {
  if (/^(down|conv_in|time|add|class|label)/.test(name)) return "down";
  return name.startsWith("mid") ? "mid" : "up";
}

function bar(colour, part, text, title) {
  return h("span", { class: "see-measure", title }, h("span", { class: "see-bar", style: { "--see-part": `${(100 * part).toFixed(1)}%`, "--see-line": `var(--see-${colour})` } }),
    h("span", { class: "see-number" }, text));
}

function blocks(row, parts, say) {
  const rows = [row, ...parts];
  const most = (key) => Math.max(1e-9, ...parts.map((part) => part[key] || 0));
  const [parameters, ms] = [most("parameters"), most("ms")];
  const base = row.name.split(".").length;
  const line = (part) => h("tr", { class: part === row ? "see-whole" : "" },
    h("th", { scope: "row", style: { "padding-left": `${0.6 + 0.9 * (part.name.split(".").length - base)}em` } },
      part === row ? part.name : part.name.slice(row.name.length + 1), h("span", { class: "see-hint" }, ` ${part.kind}`)),
    h("td", {}, `${shape(part.input)} → ${shape(part.output)}`),
    h("td", {}, part === row ? short(part.parameters) : bar("blue", part.parameters / parameters, short(part.parameters), say("parameters"))),
    h("td", {}, part === row || part.ms === null ? `${number(part.ms, 3)} ms` : bar("ochre", part.ms / ms, `${number(part.ms, 3)} ms`, say("time"))),
    h("td", { class: "see-source" }, part.source || ""));
  return h("table", {}, h("caption", {}, say("inside", { name: row.name })),
    h("thead", {}, h("tr", {}, ["block", "shapes", "parameters", "time", "source"].map((key) => h("th", { scope: "col" }, say(key))))),
    h("tbody", {}, rows.map(line)));
}

function shape(numbers) {
  return numbers?.length ? numbers.slice(1).join("×") || String(numbers[0]) : "–";
}

function short(value) {
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (value >= size) return `${number(value / size, 3)} ${letter}`;
  return number(value ?? null);
}
