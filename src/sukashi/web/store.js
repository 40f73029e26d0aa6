// The state of the page: one plain object, changed in one place, and the few things that are remembered.

const listeners = new Set();
let state = {
  view: "draw", // draw, pictures, read, compare
  place: [], // what stands behind the view in the address: ids of runs
  about: null, // what the server says of itself
  form: null, // what is being asked for, see form.js
  run: null, // the run on the stage, see runs.js
  held: null, // a finished run laid aside, {id, shown, job}, to see the next one beside it
  read: null, // a picture that was dropped and what was read from it, see views/read.js
  error: "", // one sentence
  said: "", // one sentence for those who listen to the page
  language: remembered("language", (navigator.language || "en").startsWith("ja") ? "ja" : "en"),
  look: remembered("look", "auto"), // auto, light, dark
  through: remembered("through", false), // whether finished runs are opened to be seen through
};

export const current = () => state;

export function change(patch) {
  state = { ...state, ...(typeof patch === "function" ? patch(state) : patch) };
  listeners.forEach((listener) => listener(state));
}

export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function fail(error) {
  change({ error: String(error?.message ?? error) });
}

export function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`sukashi.${name}`)) ?? otherwise;
  } catch {
    return otherwise; // storage is closed to this page, or holds something else
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`sukashi.${name}`, JSON.stringify(value));
  } catch {
    // a page that may not remember works all the same
  }
}
