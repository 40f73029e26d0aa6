// Everything that was drawn, newest first, found again by its prompt.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import * as api from "../api.js";
import { fail } from "../store.js";
import { say } from "../words.js";

const PAGE = 24;

export function Pictures() {
  const [search, setSearch] = useState("");
  const [jobs, setJobs] = useState(null);
  const [next, setNext] = useState(null);
  const [chosen, setChosen] = useState([]); // ids of up to two runs to compare
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
  const choose = (id) =>
    setChosen(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id].slice(-2));
  return html`
    <div class="search">
      <label>${say("search")}
        <input type="search" id="search" value=${search} placeholder=${say("search_hint")}
          onInput=${(event) => setSearch(event.target.value)} />
      </label>
      ${chosen.length === 2
        ? html`<a class="button" href=${`#/compare/${chosen.join("/")}`}>${say("compare_chosen")}</a>`
        : html`<p class="note">${say("compare_choose")}</p>`}
    </div>
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

function Card({ job, chosen, onChoose }) {
  const { id, settings } = job;
  const prompt = settings.prompt || say("no_prompt");
  return html`
    <a class="hole" href=${`#/run/${id}`} aria-label=${say("open_run", { prompt })}>
      <img src=${api.picture(id)} alt=${prompt} loading="lazy" /></a>
    <p title=${prompt}>${prompt}</p>
    <label><input type="checkbox" checked=${chosen} onChange=${() => onChoose(id)} />${say("compare")}</label>
  `;
}
