// Everything the page says, in the language that was chosen. One dictionary per language, with the same keys.

import { current } from "./store.js";
import en from "./words/en.js";
import ja from "./words/ja.js";
import server_ja, { notes as notes_ja } from "./words/server.ja.js";

export const languages = { en, ja };

// The sentence for a key, with {names} filled in.
export function say(key, values = {}) {
  return filled(languages[current().language]?.[key] ?? en[key] ?? key, values);
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

// A note of a run, and the language it is in: the program notes in English.
export function noted(note) {
  const [like, text] = (current().language === "ja" && notes_ja.find(([each]) => each.test(note))) || [];
  return like ? { text: note.replace(like, text), lang: "ja" } : { text: note, lang: "en" };
}

// What the server said, in the language that was chosen: by its code where that is known, else as it came.
export function server_says(message, code, values) {
  const known = current().language === "ja" && Object.hasOwn(server_ja, code ?? "") ? server_ja[code] : null;
  return known ? filled(known, values ?? {}) : message;
}
