// When the negative prompt holds: a band over the steps with a handle at each end, for a finger or the arrow keys.

import { html, useRef } from "../vendor/preact-htm.js";
import { say } from "../words.js";

const MOVES = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5 };

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// `from` and `to` are whole steps, skipped <= from < to <= steps; the `skipped` first ones are not run.
export function Window({ from, to, steps, idle, now, skipped, onChange }) {
  const box = useRef();
  const grip = useRef(null); // what is held: {end: "from" | "to" | "both", at, from, to}
  const step_at = (event) => {
    const { left, width } = box.current.getBoundingClientRect();
    return ((event.clientX - left) / width) * steps;
  };
  const put = (end, value) => {
    if (end === "from") onChange(clamp(Math.round(value), skipped, to - 1), to);
    else onChange(from, clamp(Math.round(value), from + 1, steps));
  };
  const take = (end) => (event) => {
    event.preventDefault();
    event.currentTarget.focus?.();
    event.currentTarget.setPointerCapture(event.pointerId);
    grip.current = { end, at: step_at(event), from, to };
  };
  const drag = (event) => {
    const held = grip.current;
    if (!held) return;
    if (held.end !== "both") return put(held.end, step_at(event));
    const moved = clamp(Math.round(step_at(event) - held.at), skipped - held.from, steps - held.to);
    onChange(held.from + moved, held.to + moved);
  };
  const leave = () => (grip.current = null);
  const moves = { onPointerMove: drag, onPointerUp: leave, onPointerCancel: leave };
  const keys = (end, value) => (event) => {
    const by = event.key === "Home" ? -steps : event.key === "End" ? steps : MOVES[event.key];
    if (!by) return;
    event.preventDefault();
    put(end, value + by);
  };
  const left = (step) => `${(100 * step) / steps}%`;
  const handle = (end, value, low, high) => html`
    <button type="button" class=${`handle ${end}`} role="slider" style=${{ left: left(value) }}
      aria-label=${say(end === "from" ? "window_from" : "window_to")} aria-valuemin=${low} aria-valuemax=${high}
      aria-valuenow=${value} aria-valuetext=${say("window_step", { step: value, steps })}
      onPointerDown=${take(end)} onKeyDown=${keys(end, value)} ...${moves} />
  `;
  return html`
    <div class=${idle ? "window idle" : "window"} ref=${box} role="group" aria-label=${say("window")}>
      ${skipped > 0 && html`<div class="skipped" style=${{ width: left(skipped) }} title=${say("skipped")} />`}
      <div class="band" style=${{ left: left(from), width: left(to - from) }} onPointerDown=${take("both")}
        ...${moves} />
      ${now !== null && html`<div class="now" style=${{ left: left(now) }} />`}
      ${handle("from", from, skipped, to - 1)} ${handle("to", to, from + 1, steps)}
    </div>
  `;
}
