// Everything the page says, in the language that was chosen. One dictionary per language, with the same keys.

import { current } from "./store.js";
import en from "./words/en.js";
import ja from "./words/ja.js";

export const languages = { en, ja };

// The sentence for a key, with {names} filled in.
export function say(key, values = {}) {
  const text = languages[current().language]?.[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
