// The picture to begin from, and the brush that says which part of it is drawn anew.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";
import { colour } from "../look.js";
import { say } from "../words.js";
import { Icon } from "./icons.js";
import { mask_of, paint } from "./strokes.js";

export function Brush({ picture, look, onMask }) {
  const { url, width, height } = picture;
  const [strokes, setStrokes] = useState([]);
  const [size, setSize] = useState(Math.max(4, Math.round(Math.max(width, height) / 8)));
  const [erase, setErase] = useState(false);
  const [spot, setSpot] = useState(null); // where the keyboard's brush stands
  const canvas = useRef();
  const open = useRef(null); // the stroke that is being drawn

  const show = (all) => {
    const context = canvas.current.getContext("2d");
    paint(context, all, { width, height }, colour("act"), null);
    if (spot) ring(context, spot, size);
  };
  useLayoutEffect(() => show(strokes), [strokes, spot, size, look, url]);
  useEffect(() => onMask(mask_of(strokes, picture)), [strokes]);
  useEffect(() => setStrokes([]), [url]);

  const at = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  };
  const begin = (event) => {
    event.preventDefault();
    canvas.current.setPointerCapture(event.pointerId);
    open.current = { size, erase, points: [at(event)] };
    setSpot(null);
    show([...strokes, open.current]);
  };
  const go = (event) => {
    if (!open.current) return;
    open.current.points.push(at(event));
    show([...strokes, open.current]);
  };
  const end = () => {
    if (open.current) setStrokes([...strokes, open.current]);
    open.current = null;
  };
  const keys = (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const [x, y] = spot ?? [width / 2, height / 2];
    if (by) setSpot([within(x + (by[0] * size) / 4, width), within(y + (by[1] * size) / 4, height)]);
    else if (event.key === " ") setStrokes([...strokes, { size, erase, points: [[x, y]] }]);
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) setStrokes(strokes.slice(0, -1));
    else return;
    event.preventDefault();
  };
  const clear = () => setStrokes([...strokes, { all: true, erase: true }]);
  return html`
    <div class="canvas">
      <img src=${url} alt=${say("picture_start")} />
      <canvas ref=${canvas} ...${{ width, height }} tabindex="0" role="application" aria-label=${say("mask_label")}
        onPointerDown=${begin} onPointerMove=${go} onPointerUp=${end} onPointerCancel=${end} onKeyDown=${keys}
        onFocus=${(event) => event.target.matches(":focus-visible") && setSpot([width / 2, height / 2])}
        onBlur=${() => setSpot(null)} />
    </div>
    <div class="tools" role="toolbar" aria-label=${say("mask")}>
      ${tool("brush", say("brush"), () => setErase(false), !erase)}
      ${tool("eraser", say("eraser"), () => setErase(true), erase)}
      ${tool("undo", say("undo"), () => setStrokes(strokes.slice(0, -1)), null, !strokes.length)}
      ${tool("close", say("mask_none"), clear, null, !strokes.length)}
      <label>${say("brush_size")}
        <input type="range" min="2" max=${Math.round(Math.max(width, height) / 2)} value=${size}
          onInput=${(event) => setSize(Number(event.target.value))} />
      </label>
    </div>
  `;
}

const within = (value, high) => Math.min(high, Math.max(0, value));

function ring(context, [x, y], size) {
  context.globalCompositeOperation = "source-over";
  Object.assign(context, { strokeStyle: colour("ink"), lineWidth: 2 });
  context.beginPath();
  context.arc(x, y, size / 2, 0, 2 * Math.PI);
  context.stroke();
}

const tool = (icon, name, onClick, pressed = null, disabled = false) => html`
  <button type="button" class="button" title=${name} aria-label=${name} aria-pressed=${pressed}
    ...${{ onClick, disabled }}><${Icon} name=${icon} /></button>
`;
