// Pictures from the reader's own files: chosen, dropped or pasted. Nothing is sent before it is asked for.

import { html, useState } from "../vendor/preact-htm.js";

export const url_of = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

// {url, name, width, height} of a picture file. Throws where it is none.
export async function picture_of(file) {
  return measured(await url_of(file), file.name);
}

export async function measured(url, name) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return { url, name, width: image.naturalWidth, height: image.naturalHeight };
}

// A picture of this server as a data URL, with its metadata untouched.
export async function fetched(address, name) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return measured(await url_of(await answer.blob()), name);
}

export const file_in = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));

export function Drop({ id, label, big, onFile }) {
  const [over, setOver] = useState(false);
  const dropped = (event) => {
    const file = file_in(event.dataTransfer);
    setOver(false);
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    onFile(file);
  };
  const choose = () => document.getElementById(id).click();
  const kinds = ["drop", over && "over", big && "big-drop"].filter(Boolean).join(" ");
  return html`
    <button type="button" class=${kinds} onClick=${choose} onDrop=${dropped} onDragLeave=${() => setOver(false)}
      onDragOver=${(event) => (event.preventDefault(), setOver(true))}>${label}</button>
    <input id=${id} type="file" accept="image/*" hidden aria-label=${label}
      onChange=${(event) => (event.target.files[0] && onFile(event.target.files[0]), (event.target.value = ""))} />
  `;
}
