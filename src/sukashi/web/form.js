// What is asked for: the fields of the form, and the settings of a run that they mean.

import { change, current, remember, remembered } from "./store.js";

// Empty fields ("" or null) mean: as the model suggests. `window` is the part of the steps that are run in which the
// negative prompt holds. `other` keeps settings that the form has no field for: reading a picture loses nothing.
export const blank = {
  model: "", prompt: "", negative: "", sampler: "", grid: "", steps: "", guidance: "", width: "", height: "",
  seed: "", count: 1, window: [0, 1], picture: null, mask: null, strength: 0.6, other: {},
};
const REMEMBERED = ["model", "prompt", "negative", "sampler", "grid", "steps", "guidance", "width", "height", "count"];
const NUMBERS = ["steps", "guidance", "width", "height", "seed"];

export function remembered_form() {
  return { ...blank, ...remembered("form", {}) };
}

export function write(patch) {
  const form = { ...current().form, ...patch };
  change({ form });
  remember("form", Object.fromEntries(REMEMBERED.map((name) => [name, form[name]])));
}

export function model_of(about, name) {
  const called = (wanted) => about?.models.find((model) => model.name === wanted);
  return called(name) ?? called(about?.model) ?? about?.models[0];
}

// A number of the form, or what the model suggests.
export function number(form, about, name) {
  const written = Number(form[name]);
  if (form[name] !== "" && form[name] !== null && Number.isFinite(written)) return written;
  return model_of(about, form.model)?.defaults?.[name] ?? { steps: 20, guidance: 7, width: 512, height: 512 }[name];
}

// The form that begins from a picture. One much larger than the model draws is drawn at the model's size: the fields
// say so, and an empty field means the size of the picture itself.
export function begun_from(form, about, picture) {
  const { size = null, cell = 8 } = model_of(about, form.model) ?? {};
  const scale = size ? Math.sqrt((size[0] * size[1]) / (picture.width * picture.height)) : 1;
  const side = (length) => (scale < 0.8 ? Math.max(cell, Math.round((length * scale) / cell) * cell) : "");
  return { picture, mask: null, width: side(picture.width), height: side(picture.height) };
}

// How many of the steps are run: with a picture to begin from, only the last ones.
export function walked(form, about, from_picture = form.picture) {
  const steps = number(form, about, "steps");
  return from_picture ? Math.max(1, Math.floor(steps * form.strength)) : steps;
}

// A whole number that JavaScript cannot hold stays a text: the server takes both.
const exactly = (text) => (Number.isSafeInteger(Number(text)) || !/^\d+$/.test(text) ? Number(text) : String(text));

// A moment as the settings write it; whole steps, so that nothing is lost by rounding.
const moment = (part, steps) => `step ${Math.round(part * steps)}`;

// The settings of a run, without those that are left to the model.
export function settings_of(form, about) {
  const steps = walked(form, about);
  const settings = { ...form.other, prompt: form.prompt, count: Number(form.count) || 1 };
  if (form.negative.trim()) {
    settings.negative_prompt = form.negative;
    if (form.window[0] > 0) settings.negative_start = moment(form.window[0], steps);
    if (form.window[1] < 1) settings.negative_stop = moment(form.window[1], steps);
  }
  for (const name of ["sampler", "grid"]) if (form[name]) settings[name] = form[name];
  for (const name of NUMBERS) {
    if (form[name] !== "" && form[name] !== null) settings[name] = exactly(form[name]);
  }
  return settings;
}

// The part of the steps that a moment stands for, or null where the form cannot show it. A fraction is the whole step
// it falls into, as in sukashi.guidance.switch.
export function part_of(value, steps, otherwise) {
  if (value === null || value === undefined) return otherwise;
  const step = typeof value === "number" ? Math.floor(value * steps) : Number(/^step (\d+)$/.exec(value)?.[1]);
  return step >= 0 && step <= steps ? step / steps : null;
}

export const known_model = (about, name) => (about?.models.some((model) => model.name === name) ? name : null);

// The form that asks for the settings of a run again.
export function form_from(settings, { model, about, options = {} }) {
  const known = new Set(["prompt", "negative_prompt", "sampler", "grid", "count", ...NUMBERS]);
  const form = { ...blank, model: known_model(about, model) ?? current().form.model, count: 1 };
  for (const name of ["sampler", "grid", ...NUMBERS]) form[name] = settings[name] ?? "";
  form.prompt = settings.prompt ?? "";
  form.negative = settings.negative_prompt ?? "";
  if (options.strength !== undefined) form.strength = options.strength;
  const steps = walked(form, about, options.strength !== undefined);
  const window = [part_of(settings.negative_start, steps, 0), part_of(settings.negative_stop, steps, 1)];
  if (!window.includes(null) && window[0] < window[1]) {
    form.window = window;
    known.add("negative_start").add("negative_stop");
  }
  const unset = about?.blank ?? {};
  for (const [name, value] of Object.entries(settings)) {
    const same = JSON.stringify(value) === JSON.stringify(unset[name] ?? null);
    if (!known.has(name) && !same) form.other[name] = value;
  }
  return form;
}
