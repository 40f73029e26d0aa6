// The see-through view of a finished run (see.js), or of two beside one another.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { change, remember } from "../store.js";
import { say } from "../words.js";

const keep = new Map(); // views by their picture: they are large, and do not change

async function view_of(id, k) {
  const name = api.name_of(id, k);
  if (!keep.has(name)) {
    const view = await api.see(id, k);
    if (keep.size > 3) keep.delete(keep.keys().next().value);
    keep.set(name, view);
  }
  return keep.get(name);
}

export function Through({ id, k = 0, other = null, language, look, open }) {
  const place = useRef();
  const cursor = useRef({}); // where the reader was, so that another language or light changes nothing else
  const [state, setState] = useState("");
  useEffect(() => {
    if (!open) return;
    let late = false;
    let shown = null;
    const show = async () => {
      setState(say("through_wait"));
      const views = [view_of(id, k), other && view_of(other.id, other.shown)];
      const [{ see }, view, compare] = await Promise.all([import("../see.js"), ...views]);
      if (late) return;
      setState("");
      shown = see(place.current, view, { language, compare, state: cursor.current });
    };
    show().catch((error) => late || setState(error.message));
    return () => {
      late = true;
      cursor.current = shown?.store.get?.() ?? {};
      shown?.destroy();
    };
  }, [id, k, other?.id, other?.shown, language, look, open]);
  const toggle = () => {
    remember("through", !open);
    change({ through: !open });
  };
  return html`
    <section class="through" aria-label=${say("through")}>
      <h2>${say("through")}</h2>
      <p class="note">${say("through_hint")}</p>
      <button type="button" class="button" aria-expanded=${open} onClick=${toggle}>
        ${say(open ? "through_close" : "through_open")}</button>
      <p class="note" role="status">${open && state}</p>
      <div class="seen" ref=${place} hidden=${!open} />
    </section>
  `;
}
