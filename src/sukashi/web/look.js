// Light or dark: as the system says, or as the reader chose.

import { change, current, remember } from "./store.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const ORDER = ["auto", "light", "dark"];

export function dress() {
  const { look, language } = current();
  const shown = look === "auto" ? (system.matches ? "dark" : "light") : look;
  document.documentElement.dataset.look = shown;
  document.documentElement.lang = language;
  if (current().shown !== shown) change({ shown });
}

system.addEventListener("change", dress);

export function next_look() {
  const look = ORDER[(ORDER.indexOf(current().look) + 1) % ORDER.length];
  remember("look", look);
  change({ look });
  dress();
}

export function speak(language) {
  remember("language", language);
  change({ language });
  dress();
}

// A colour of the style sheet, for what is drawn on a canvas.
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
