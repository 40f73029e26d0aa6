// A picture that was dropped: what stands in it, and whether drawing it again gives the same.

import { html, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { begun_from, form_from, known_model, settings_of, write } from "../form.js";
import { Difference } from "../parts/difference.js";
import { Drop, picture_of } from "../parts/drop.js";
import { Notes, text } from "../parts/fields.js";
import { Hole } from "../parts/stage.js";
import { begin, busy } from "../runs.js";
import { change, current, fail } from "../store.js";
import { say } from "../words.js";

export async function read_file(file) {
  try {
    const picture = await picture_of(file).catch(() => {
      throw new Error(say("not_a_picture", { name: file.name }));
    });
    change({ read: { picture, told: null, again: null } });
    location.hash = "#/read";
    const told = await api.read(picture.url);
    change(({ read }) => (read?.picture === picture ? { read: { ...read, told } } : {}));
  } catch (error) {
    change({ read: null });
    fail(error);
  }
}

export function Read({ state }) {
  const { read, run } = state;
  return html`
    <${Drop} id="read-file" big=${!read} label=${say("read_drop")} onFile=${read_file} />
    ${read && html`<${Found} read=${read} run=${run} about=${state.about} />`}
  `;
}

const ALONE = ["text-to-image", "two-pass"]; // drawn from words, so that the file says everything

function Found({ read, run, about }) {
  const { picture, told, again } = read;
  const [waiting, setWaiting] = useState(false);
  const settings = told?.settings;
  const form = settings && form_from(settings, { ...told, about });
  const alone = (!told?.task || ALONE.includes(told.task)) && !settings?.controls?.length;
  const use = () => {
    change({ form });
    location.hash = "#/";
  };
  const begin_from = () => {
    write(begun_from(current().form, about, picture));
    location.hash = "#/";
  };
  const replay = async () => {
    setWaiting(true);
    const model = known_model(about, told.model) ?? form.model;
    const asked = { ...told.options, ...settings_of(form, about), model: model || null };
    const job = await begin(told.task ? { ...asked, task: told.task } : asked);
    setWaiting(false);
    if (job) change(({ read: now }) => (now?.picture === picture ? { read: { ...now, again: job.id } } : {}));
  };
  return html`
    <div class="reading">
      <figure><${Hole} url=${picture.url} alt=${picture.name} />
        <figcaption class="note">${picture.name}, ${picture.width} × ${picture.height}</figcaption></figure>
      <div>
        <h2>${say(!told ? "waiting" : settings ? "read_found" : "read_nothing", { tool: told?.tool ?? "" })}</h2>
        ${settings && html`<${Table} values=${{ model: told.model, ...settings }} />`}
        <${Notes} notes=${told?.notes} />
        ${told && html`
          <div class="actions">
            ${settings && html`<button type="button" class="button" onClick=${use}>${say("read_use")}</button>`}
            ${settings && alone && html`
              <button type="button" class="button" disabled=${busy(run)} onClick=${replay}>
                ${say("read_replay")}</button>`}
            <button type="button" class="button" onClick=${begin_from}>${say("from_this")}</button>
          </div>`}
        ${settings && !alone && html`<p class="note">${say("read_not_alone", { task: told.task })}</p>`}
        ${waiting && run?.n > 0 && html`<p class="note">${say("step_of", run)}</p>`}
      </div>
    </div>
    ${again && html`
      <h3>${say("read_again")}</h3>
      <div class="sides">
        <figure><${Hole} url=${picture.url} alt=${picture.name} /></figure>
        <figure><${Hole} url=${api.picture(again)} alt=${say("read_again")} /></figure>
        <${Difference} a=${picture.url} b=${api.name_of(again)} />
      </div>`}
  `;
}

const Table = ({ values }) => html`
  <table class="plainly"><tbody>
    ${Object.entries(values).filter(([, value]) => ![null, undefined, ""].includes(value)).map(([name, value]) => html`
      <tr key=${name}><th scope="row">${name}</th><td>${text(value)}</td></tr>`)}
  </tbody></table>
`;
