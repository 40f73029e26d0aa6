/** Making elements and keeping state: all the machinery that the see-through view has. */

/**
 * An element: h("p", { class: "a", onclick: f, "aria-label": "b" }, "text", child, null).
 * Text is always set as text, never as HTML, so nothing a prompt says is markup.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Values with listeners: on(["step"], f) calls f now and whenever one of these values has changed. */
export function makeStore(values) {
  const listeners = [];
  return {
    get: () => values,
    set(changes) {
      const changed = Object.keys(changes).filter((key) => !Object.is(values[key], changes[key]));
      if (!changed.length) return;
      values = { ...values, ...changes };
      for (const { keys, call } of [...listeners]) if (keys.some((key) => changed.includes(key))) call(values);
    },
    on(keys, call) {
      listeners.push({ keys, call });
      call(values);
    },
    clear: () => listeners.splice(0),
  };
}

/** A sheet of paper: a section with its heading, a sentence that says what is to be seen, and the rest. */
export function sheet(name, title, about, ...children) {
  const id = `see-${name}-${Math.random().toString(36).slice(2, 8)}`;
  const text = about ? h("p", { class: "see-about" }, about) : null;
  const heading = h("h3", { id }, title);
  return h("section", { class: `see-sheet see-${name}`, "aria-labelledby": id }, heading, text, ...children);
}

/** Choices of which one holds: a group of radio buttons that looks like a strip. */
export function choices(label, options, chosen, choose) {
  const name = `see-${Math.random().toString(36).slice(2, 8)}`;
  const strip = options.map(([value, text, title]) => {
    const input = h("input", { type: "radio", name, value, onchange: () => choose(value) });
    input.checked = value === chosen;
    return h("label", { title }, input, h("span", {}, text));
  });
  return h("div", { class: "see-choices", role: "radiogroup", "aria-label": label }, strip);
}

/** A number for people: four digits that matter, thin spaces between thousands. */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(2).replace("-", "−");
  const text = Number.isInteger(value) ? String(size) : size.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size || 1))));
  const [whole, part] = text.split(".");
  const spaced = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u2009") : whole;
  return (value < 0 ? "−" : "") + spaced + (part && Number(part) ? `.${part.replace(/0+$/, "")}` : "");
}

/** Which of a view's steps is shown when the cursor stands at ``step``: of a shorter run, its last. */
export function at(view, step) {
  return Math.min(step, view.steps.length - 1);
}

/** The last entry of a list that is there at or before i; of long runs not every step has a picture. */
export function lastKnown(list, i, read = (entry) => entry) {
  for (let k = i; k >= 0; k -= 1) if (read(list[k])) return { found: read(list[k]), k };
  return { found: null, k: i };
}
