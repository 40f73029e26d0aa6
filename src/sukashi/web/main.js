// The page: its head, which view is shown, the keys that work everywhere, and a picture dropped anywhere.

import { html, render } from "./vendor/preact-htm.js";
import { learn } from "./about.js";
import { remembered_form } from "./form.js";
import { dress, next_look, speak } from "./look.js";
import { file_in } from "./parts/drop.js";
import { Icon } from "./parts/icons.js";
import { Horizon } from "./parts/scene.js";
import { busy, draw, give_up, open } from "./runs.js";
import { change, current, watch } from "./store.js";
import { Compare } from "./views/compare.js";
import { Draw } from "./views/draw.js";
import { Pictures } from "./views/pictures.js";
import { Read, read_file } from "./views/read.js";
import { say } from "./words.js";

const VIEWS = { draw: Draw, pictures: Pictures, read: Read, compare: Compare };

const OWN_NAMES = { en: "English", ja: "日本語" };

function Page({ state }) {
  const View = VIEWS[state.view];
  return html`
    <${Head} state=${state} />
    <main id="main" tabindex="-1">
      ${state.error && html`
        <div class="error" role="alert"><span>${state.error}</span>
          <button type="button" class="plain" aria-label=${say("close")} onClick=${() => change({ error: "" })}>
            <${Icon} name="close" /></button></div>`}
      <${View} state=${state} />
    </main>
    <p class="unseen" role="status">${state.said}</p>
    ${state.over && html`<div class="floating">${say("drop_here")}</div>`}
  `;
}

function Head({ state }) {
  const { view, run, look, language } = state;
  const risen = run?.state === "done" ? 1 : busy(run) && run.n ? run.i / run.n : 0;
  const other = language === "en" ? "ja" : "en";
  const link = (name, href) => html`
    <a href=${href} aria-current=${view === name ? "page" : null}>${say(name)}</a>`;
  return html`
    <header class="ground">
      <${Horizon} risen=${risen} />
      <div class="head">
        <h1 class="name"><a href="#/">Sukashi<span lang="ja">透かし</span></a></h1>
        <nav aria-label=${say("views")}>
          ${link("draw", "#/")} ${link("pictures", "#/pictures")} ${link("read", "#/read")}
        </nav>
        <div class="switches">
          <button type="button" lang=${other} onClick=${() => speak(other)}>${OWN_NAMES[other]}</button>
          <button type="button" onClick=${next_look} title=${say(`look_${look}`)} aria-label=${say(`look_${look}`)}>
            <${Icon} name=${{ auto: "half", light: "sun", dark: "moon" }[look]} /></button>
        </div>
      </div>
    </header>
  `;
}

function go() {
  const [name, ...place] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (name === "run" && place[0]) {
    change({ view: "draw", place, error: "" });
    open(place[0]);
  } else change({ view: VIEWS[name] ? name : "draw", place, error: "" });
}

function key(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (current().view !== "draw") location.hash = "#/";
    draw();
  } else if (event.key === "Escape" && busy(current().run)) {
    event.preventDefault();
    give_up();
  }
}

const holds_files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function listen() {
  addEventListener("hashchange", go);
  addEventListener("keydown", key);
  addEventListener("dragover", (event) => {
    if (!holds_files(event)) return;
    event.preventDefault();
    if (!current().over) change({ over: true });
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && change({ over: false }));
  addEventListener("drop", () => change({ over: false }), true);
  addEventListener("drop", (event) => {
    if (!holds_files(event) || event.defaultPrevented) return;
    event.preventDefault();
    const file = file_in(event.dataTransfer);
    if (file) read_file(file);
  });
  addEventListener("paste", (event) => {
    const file = file_in(event.clipboardData);
    if (file) read_file(file);
  });
}

change({ form: remembered_form() });
dress();
const root = document.getElementById("page");
let due = false;
watch(() => {
  if (due) return; // changes made together are shown together, and never while something is being shown
  due = true;
  queueMicrotask(() => {
    due = false;
    render(html`<${Page} state=${current()} />`, root);
  });
});
listen();
go();
learn();
