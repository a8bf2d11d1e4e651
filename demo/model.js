// What does the model make of a look at a canvas? Retina and networks are one ONNX graph.

import * as ort from "./ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1; // more would need headers that not every host sends

export async function loadModel() {
  const [about, session] = await Promise.all([
    readJson("model.json"),
    // To optimise the graph would take longer than it saves in some looks.
    ort.InferenceSession.create("model.onnx", { graphOptimizationLevel: "disabled" }),
  ]);
  return new Model(about, session);
}

export async function readJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

class Model {
  #session;
  #before = Promise.resolve(); // the session runs one look at a time

  constructor(about, session) {
    this.about = about; // the metadata of the graph
    this.#session = session;
  }

  // canvas Uint8Array (H * W), location [x, y] in [-1, 1], state Float32Array (S) -> one look
  look(canvas, location, state) {
    const look = this.#before.then(() => this.#look(canvas, location, state));
    this.#before = look.catch(() => {});
    return look;
  }

  async #look(canvas, location, state) {
    const began = performance.now();
    const out = await this.#session.run({
      canvas: new ort.Tensor("uint8", canvas, [1, ...this.about.canvas_shape]),
      location: new ort.Tensor("float32", location, [1, 2]),
      state: new ort.Tensor("float32", state, [1, state.length]),
    });
    const logits = Array.from(out.logits.data);
    const belief = softmax(logits);
    const label = belief.indexOf(Math.max(...belief));
    return {
      location: Array.from(Float32Array.from(location)),
      glimpse: out.glimpse.data, // (K * g * g), in [0, 1]
      logits,
      belief,
      label,
      share: belief[label],
      next: Array.from(out.next_location.data),
      state: out.next_state.data,
      milliseconds: performance.now() - began,
    };
  }
}

function softmax(logits) {
  const highest = Math.max(...logits);
  const shares = logits.map((logit) => Math.exp(logit - highest));
  const sum = shares.reduce((total, share) => total + share);
  return shares.map((share) => share / sum);
}

// The looks at one canvas so far.
export class Episode {
  looks = [];
  isYours = false; // whether a person has chosen where to look
  isLooking = false;

  constructor(model, canvas) {
    this.model = model;
    this.canvas = canvas;
  }

  // Looks where the model wants to, or at a location that a person has chosen.
  async look(chosen) {
    const last = this.looks.at(-1);
    const { first_location: first, state_size: size } = this.model.about;
    const location = chosen ?? last?.next ?? first;
    const state = last?.state ?? new Float32Array(size);
    this.isYours ||= chosen !== undefined;
    this.isLooking = true;
    try {
      this.looks.push(await this.model.look(this.canvas, location, state));
    } finally {
      this.isLooking = false;
    }
  }

  isOver(confidence) {
    const last = this.looks.at(-1);
    return this.looks.length >= this.model.about.num_glimpses || last?.share >= confidence;
  }
}
