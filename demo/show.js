// What stands on the page beside the scene? The answer, the belief, and the looks one by one.

import { Painter, colorOf, pixelOf } from "./draw.js";

const $ = (id) => document.getElementById(id);
const HINTS = {
  draw: "Draw a digit with mouse or finger and press Play; it shrinks to the size that the network knows. Keys: arrows move the pen, space sets it down or lifts it.",
  move: "Drag the digit or a piece of clutter. Keys: arrows move, space picks up or puts down.",
  look: "Your turn, on a covered scene: click where to look next, until the network is sure. Keys: arrows move, space looks.",
};

export function answerOf({ looks }, names) {
  const { label, share } = looks.at(-1);
  return `${names[label]}, ${percent(share)} sure`;
}

function percent(share) {
  return share > 0.999 ? "over 99.9 %" : `${(100 * share).toFixed(1)} %`;
}

function made(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

export class Page {
  #bars;
  #looks;

  constructor(about) {
    this.about = about;
    this.painter = new Painter(about);
    $("facts").textContent =
      `Of 10,000 test scenes with four pieces of clutter it reads ${about.trained.error} % wrong.`;
    this.#bars = about.class_names.map((name) => {
      const share = made("span", "share");
      const bar = made("li", "", made("span", "name", name), made("span", "track"), share);
      $("belief").append(bar);
      return { bar, share };
    });
    this.#looks = Array.from({ length: about.num_glimpses }, (_, number) => {
      const glimpse = made("canvas", "");
      const bars = made("span", "small-bars", ...about.class_names.map(() => made("i", "")));
      const text = made("span", "text");
      const name = made("span", "unseen");
      const button = made("button", "look", made("b", "", `${number + 1}`), glimpse, bars, text, name);
      for (const seen of button.children) seen.ariaHidden = `${seen !== name}`;
      button.dataset.number = number;
      button.style.setProperty("--color", colorOf(number, about.num_glimpses));
      $("looks").append(made("li", "", button));
      return { button, glimpse, bars, text, name };
    });
  }

  say(text) {
    $("said").textContent = text;
  }

  render(game, { isCovered, hasCursor }) {
    const { scene, episode, shown } = game;
    const looks = episode.looks.slice(0, shown + 1);
    const current = looks.at(-1);
    this.painter.scene($("scene"), game, looks, { isCovered, hasCursor });
    this.painter.retina($("retina"), current, shown);
    $("retina").ariaLabel = current ? this.#describe(current, shown) : "Nothing yet";
    $("scene-text").textContent = this.#tell(scene, looks, isCovered);
    $("hint").textContent = HINTS[game.mode];
    $("play").textContent = game.playing ? "Pause" : "Play";
    $("pieces").textContent = $("clutter").value;
    $("percent").textContent = `${$("sure").value} % sure`;
    this.#renderBelief(current, scene.label);
    this.#renderLooks(episode.looks, shown);
    if (current) $("time").textContent = `A look takes ${current.milliseconds.toFixed(1)} ms here.`;
  }

  #describe({ location, label, share }, number) {
    const [row, column] = pixelOf(location, this.about.canvas_shape);
    const answer = `${this.about.class_names[label]}, ${percent(share)}`;
    return `Look ${number + 1}, at row ${row}, column ${column}: ${answer}`;
  }

  #tell({ label, target, clutter }, looks, isCovered) {
    const [height, width] = this.about.canvas_shape;
    const digit = label === null ? "a drawn digit" : `the digit ${this.about.class_names[label]}`;
    const what = isCovered ? "covered" : target ? digit : "no digit looked at yet";
    const gaze = looks.map((look, number) => this.#describe(look, number)).join("; ");
    return `${height} by ${width} pixels: ${what}, ${clutter.length} pieces of clutter. ${gaze}`;
  }

  #renderBelief(current, truth) {
    this.#bars.forEach(({ bar, share }, label) => {
      const belief = current?.belief[label] ?? 0;
      bar.style.setProperty("--share", belief);
      bar.classList.toggle("best", label === current?.label);
      share.textContent = current ? `${(100 * belief).toFixed(1)} %` : "";
    });
    $("answer").textContent = current ? this.about.class_names[current.label] : "?";
    $("answer").dataset.is =
      !current || truth === null ? "unknown" : current.label === truth ? "right" : "wrong";
    $("share").textContent = current ? `${percent(current.share)} sure` : "no look yet";
  }

  #renderLooks(looks, shown) {
    this.#looks.forEach(({ button, glimpse, bars, text, name }, number) => {
      const look = looks[number];
      button.disabled = !look;
      button.ariaPressed = `${number === shown}`;
      name.textContent = look ? this.#describe(look, number) : `Look ${number + 1}: not yet`;
      text.textContent = look ? this.about.class_names[look.label] : "";
      [...bars.children].forEach((bar, label) => {
        bar.style.setProperty("--share", look?.belief[label] ?? 0);
      });
      this.painter.retina(glimpse, look, number);
    });
  }
}
