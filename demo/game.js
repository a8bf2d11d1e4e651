// What happens on the page? A scene, an episode that looks at it, and who chooses where.

import { locationOf } from "./draw.js";
import { Episode, loadModel, readJson } from "./model.js";
import { Scene } from "./scene.js";
import { Page, answerOf } from "./show.js";

const $ = (id) => document.getElementById(id);
const choose = (list) => list[Math.floor(Math.random() * list.length)];
const after = ({ looks }) => `after ${looks.length} ${looks.length === 1 ? "look" : "looks"}`;

class Game {
  episode; // of the scene as it is
  shown = -1; // the number of the look that is drawn
  playing = null; // an object of its own for each play
  held = null; // where the scene is pressed, and which sprite lies there
  #thrown = []; // the clutter, also what is left out now
  #wasLook = false; // whether a person has chosen where to look until now

  constructor(model, scenes) {
    this.model = model;
    this.scenes = scenes;
    this.shape = model.about.canvas_shape;
    this.scene = new Scene(this.shape);
    this.page = new Page(model.about);
    this.cursor = { x: this.shape[1] / 2, y: this.shape[0] / 2 }; // for who has no pointer
  }

  get mode() {
    return document.querySelector("input[name=mode]:checked").value;
  }

  get confidence() {
    return $("stop").checked ? $("sure").value / 100 : Infinity;
  }

  get isOver() {
    return this.episode.isOver(this.confidence);
  }

  render() {
    this.page.render(this, {
      isCovered: $("cover").checked && !this.isOver,
      hasCursor: $("scene").matches(":focus-visible"),
    });
  }

  // The episode.

  begin() {
    this.playing = null;
    this.episode = new Episode(this.model, this.scene.paint());
    this.shown = -1;
    this.page.say("");
    this.render();
  }

  async look(chosen) {
    const { episode, scene } = this;
    if (this.isOver || episode.isLooking) return;
    if (scene.settle()) episode.canvas = scene.paint();
    if (!scene.target) {
      this.page.say("There is no digit to look at: draw one, or take another.");
      return;
    }
    let text;
    try {
      await episode.look(chosen);
      text = this.isOver ? await this.#verdict(episode) : `Look ${episode.looks.length}: ${this.#answer(episode)}.`;
    } catch (error) {
      text = `It cannot look: ${error.message}`;
      if (episode === this.episode) this.playing = null;
    }
    if (episode !== this.episode) return; // the scene has changed meanwhile
    this.shown = episode.looks.length - 1;
    this.page.say(text);
    this.render();
  }

  async play() {
    if (this.isOver) this.begin();
    const mine = (this.playing = {});
    while (this.playing === mine) {
      await this.look();
      if (this.playing === mine && (this.isOver || !this.scene.target)) this.playing = null;
      this.render();
      await new Promise((resolve) => setTimeout(resolve, $("speed").value));
    }
  }

  pause() {
    this.playing = null;
    this.render();
  }

  // After a change of the scene. A person too is given the first look, as in the environment.
  restart() {
    this.begin();
    if (this.mode === "look") this.look();
    else this.play();
  }

  show(number) {
    this.shown = number;
    this.pause();
  }

  #answer(episode) {
    return answerOf(episode, this.model.about.class_names);
  }

  // What was answered; where a person has led the gaze, beside what the model answers alone.
  async #verdict(episode) {
    const { label } = this.scene;
    const truth = label === null ? "" : ` The digit is ${this.model.about.class_names[label]}.`;
    const answer = `${this.#answer(episode)} ${after(episode)}`;
    if (!episode.isYours) return `Its answer: ${answer}.${truth}`;
    const alone = new Episode(this.model, episode.canvas);
    while (!alone.isOver(this.confidence)) await alone.look();
    return `Where you looked, it sees ${answer}; alone it sees ${this.#answer(alone)} ${after(alone)}.${truth}`;
  }

  // The scene.

  takeAnother() {
    this.scene.take(choose(this.scenes));
    this.throwClutter();
  }

  throwClutter() {
    this.#thrown = choose(this.scenes).clutter.map((piece) => ({ ...piece }));
    this.scatter();
  }

  scatter() {
    this.scene.clutter = this.#thrown.slice(0, $("clutter").value);
    this.begin();
  }

  setMode(value) {
    document.querySelector(`input[name=mode][value=${value}]`).checked = true;
    const isLook = value === "look";
    if (isLook !== this.#wasLook) $("cover").checked = $("stop").checked = isLook;
    this.#wasLook = isLook;
    if (value === "look") this.restart();
    else this.render();
  }

  // A pointer or a key goes down, on, and up again, at (x, y) in pixels of the scene.

  press(x, y) {
    if (this.mode === "look") {
      if (this.isOver) this.restart();
      else this.look(locationOf([Math.floor(y), Math.floor(x)], this.shape));
      return;
    }
    const isDrawn = this.mode === "draw";
    const sprite = isDrawn ? null : this.scene.at(x, y);
    if (isDrawn) this.scene.draw(x, y, true);
    else if (!sprite) return;
    this.held = { x, y, sprite };
    this.begin();
  }

  drag(x, y) {
    const { held, scene } = this;
    if (this.mode === "draw") {
      scene.draw(x, y, false);
    } else if (held.sprite) {
      const { row, column } = held.sprite;
      scene.move(held.sprite, Math.round(y - held.y), Math.round(x - held.x));
      held.x += held.sprite.column - column; // no further than the border lets it
      held.y += held.sprite.row - row;
      this.episode.canvas = scene.paint();
    }
    this.render();
  }

  release() {
    const isMoved = this.held?.sprite;
    this.held = null;
    if (isMoved) this.restart();
    else this.render();
  }
}

const [model, scenes] = await Promise.all([loadModel(), readJson("scenes.json")]);
export const game = new Game(model, scenes);
