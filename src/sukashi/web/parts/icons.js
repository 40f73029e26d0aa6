// Small drawings for buttons, on a grid of 20 by 20.

import { html } from "../vendor/preact-htm.js";

const paths = {
  dice:
    "M5 3h10a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z" +
    "M7 7h.01M13 7h.01M10 10h.01M7 13h.01M13 13h.01",
  again: "M16 10a6 6 0 1 1-2-4.5M16 3v4h-4",
  brush: "M16 3 9 10.5M8.5 11c-2 0-3 1.2-3 2.8 0 1.2-.8 2-2 2.4 3.5 1.3 7.2.2 7.2-2.7 0-1.3-.9-2.5-2.2-2.5z",
  eraser: "M8 16h8M4 12.5 11.5 5a1.5 1.5 0 0 1 2 0L16 7.5a1.5 1.5 0 0 1 0 2L9.5 16H7zM8 8.5l4.5 4.5",
  undo: "M7 4 3.5 7.5 7 11M4 7.5h7.5a4.25 4.25 0 0 1 0 8.5H8",
  save: "M10 3v9M6 8.5l4 4 4-4M4 16h12",
  beside: "M3 4h6v12H3zM11 4h6v12h-6z",
  picture: "M3 4h14v12H3zM3 13l4-4 4 4 2-2 4 4M13 7.5h.01",
  close: "M5 5l10 10M15 5 5 15",
  sun:
    "M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6z" +
    "M10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4M14.3 14.3l1.4 1.4M15.7 4.3l-1.4 1.4M5.7 14.3l-1.4 1.4",
  moon: "M16 12A6.5 6.5 0 0 1 8 4a6.5 6.5 0 1 0 8 8z",
  half: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  swap: "M4 7h11M12 4l3 3-3 3M16 13H5M8 10l-3 3 3 3",
};

export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${paths[name]} /></svg>
`;
