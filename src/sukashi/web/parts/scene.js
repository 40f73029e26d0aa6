// Paper hills, cut and laid one over another: above the page, and in the frame while there is no picture.

import { html } from "../vendor/preact-htm.js";

// The strip behind the title. The sun rises with the run: `risen` goes from 0 to 1.
export const Horizon = ({ risen }) => html`
  <svg class="horizon" viewBox="0 0 1200 120" preserveAspectRatio="xMidYMax slice" aria-hidden="true" focusable="false">
    <circle class="sun" cx="905" cy=${112 - 66 * risen} r="30" />
    <path class="far" d="M0 86c110-34 214-40 330-16s190 12 300-8 190-26 300-2 180 14 270-8v70H0z" />
    <path class="near" d="M0 104c140-30 250-8 370-2s220-30 350-22 220 30 310 18 120-16 170-12v40H0z" />
  </svg>
`;

export const Scene = () => html`
  <svg class="scene" viewBox="0 0 400 400" aria-hidden="true" focusable="false">
    <rect class="sky" width="400" height="400" />
    <circle class="sun" cx="268" cy="142" r="46" />
    <path class="cloud" d="M62 120c4-16 26-20 34-8 10-12 34-8 36 8 14-2 22 14 10 20H64c-16-2-14-20-2-20z" />
    <path class="hill one" d="M0 248c60-58 120-70 176-30s92 24 132-14 66-30 92-12v208H0z" />
    <path class="hill two" d="M0 292c46-34 110-34 164-4s118 26 164-10 54-22 72-14v136H0z" />
    <path class="hill three" d="M0 344c80-40 150-34 214-10s126 14 186-14v80H0z" />
    <path class="bird" d="M120 186q9-12 16 0q8-12 17-1q-9-4-16 6q-7-9-17-5z" />
    <path class="bird" d="M166 158q6-8 11 0q6-8 12-1q-6-2-11 5q-6-7-12-4z" />
  </svg>
`;
