// What the server says of itself and of its models.

import * as api from "./api.js";
import { known_model, model_of, write } from "./form.js";
import { change, current, fail } from "./store.js";

// A model says what it suggests once it is loaded, and is loaded by being asked for.
export async function learn() {
  try {
    change({ about: await api.about() });
    const { about, form } = current();
    if (form.model && !known_model(about, form.model)) write({ model: "" }); // remembered from another server
    const model = model_of(about, current().form.model);
    if (model && !model.defaults) change({ about: await api.about(model.name) });
  } catch (error) {
    fail(error);
  }
}
