// Everything that was drawn, newest first, found again by its prompt.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { fail } from "../store.js";
import { say } from "../words.js";

const PAGE = 24;

export function Pictures({ state }) {
  const [search, setSearch] = useState("");
  const [jobs, setJobs] = useState(null);
  const [next, setNext] = useState(null);
  const [chosen, setChosen] = useState([]); // ids of marked runs: two can be compared, any number deleted
  const asked = useRef(0); // so that a late answer to an older question is dropped
  const load = async (before) => {
    const mine = ++asked.current;
    try {
      const page = await api.jobs({ search, limit: PAGE, before, state: "done" });
      if (mine !== asked.current) return;
      setJobs((had) => [...(before ? had : []), ...page.jobs]);
      setNext(page.next);
    } catch (error) {
      fail(error);
    }
  };
  useEffect(() => {
    const timer = setTimeout(load, search ? 200 : 0);
    return () => clearTimeout(timer);
  }, [search]);
  const choose = (id) => setChosen(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]);
  const forget = async () => {
    if (!confirm(say("forget_sure"))) return;
    await Promise.all(chosen.map(api.forget)).catch(fail);
    setJobs((had) => had.filter((job) => !chosen.includes(job.id)));
    setChosen([]);
  };
  return html`
    <div class="search">
      <label>${say("search")}
        <input type="search" id="search" value=${search} placeholder=${say("search_hint")}
          onInput=${(event) => setSearch(event.target.value)} />
      </label>
      ${chosen.length === 2
        ? html`<a class="button" href=${`#/compare/${chosen.join("/")}`}>${say("compare_chosen")}</a>`
        : html`<p class="note">${say("compare_choose")}</p>`}
      ${chosen.length > 0 && html`
        <button type="button" class="button" title=${say("forget_title")} onClick=${forget}>${say("forget")}</button>`}
    </div>
    <${Kept} keep=${state.about?.keep} />
    ${jobs?.length === 0 && html`<p class="note">${say(search ? "none_found" : "none_yet")}</p>`}
    <ul class="album">
      ${jobs?.map((job) => html`
        <li class="card" key=${job.id}>
          <${Card} job=${job} chosen=${chosen.includes(job.id)} onChoose=${choose} /></li>`)}
    </ul>
    ${next && html`
      <p class="more">
        <button type="button" class="button" onClick=${() => load(next)}>${say("more")}</button>
      </p>`}
  `;
}

// What the owner of the server lets go.
function Kept({ keep }) {
  const told = [
    keep?.jobs && say("keep_jobs", { n: keep.jobs }),
    keep?.bytes && say("keep_bytes", { n: Number((keep.bytes / 1e9).toPrecision(3)) }),
  ].filter(Boolean);
  return told.length > 0 && html`<p class="note">${told.join(" ")}</p>`;
}

function Card({ job, chosen, onChoose }) {
  const { id, settings } = job;
  const prompt = settings.prompt || say("no_prompt");
  return html`
    <a class="hole" href=${`#/run/${id}`} aria-label=${say("open_run", { prompt })}>
      <img src=${api.picture(id)} alt=${prompt} loading="lazy" /></a>
    <p title=${prompt}>${prompt}</p>
    <label><input type="checkbox" checked=${chosen} onChange=${() => onChoose(id)} />${say("mark")}</label>
  `;
}
