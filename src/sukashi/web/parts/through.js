// The see-through view of a finished run (see.js), or of two beside one another.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { change, remember } from "../store.js";
import { say } from "../words.js";

const keep = new Map(); // views by the id of their run: they are large, and do not change

async function view_of(id) {
  if (!keep.has(id)) {
    const view = await api.see(id);
    if (keep.size > 3) keep.delete(keep.keys().next().value);
    keep.set(id, view);
  }
  return keep.get(id);
}

export function Through({ id, other = null, language, look, open }) {
  const place = useRef();
  const [state, setState] = useState("");
  useEffect(() => {
    if (!open) return;
    let late = false;
    const show = async () => {
      setState(say("through_wait"));
      const [{ see }, view, compare] = await Promise.all([import("../see.js"), view_of(id), other && view_of(other)]);
      if (late) return;
      setState("");
      place.current.replaceChildren();
      see(place.current, view, { language, compare: compare || undefined });
    };
    show().catch((error) => late || setState(error.message));
    return () => (late = true);
  }, [id, other, language, look, open]);
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
      <div class="see" ref=${place} hidden=${!open} />
    </section>
  `;
}
