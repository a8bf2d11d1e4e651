// Which control does what? Buttons, pointer and keys.

import { game } from "./game.js";

const $ = (id) => document.getElementById(id);
const on = (id, kind, act) => $(id).addEventListener(kind, act);

on("play", "click", () => (game.playing ? game.pause() : game.play()));
on("step", "click", () => {
  game.pause();
  if (game.isOver) game.begin();
  game.look();
});
on("again", "click", () => game.restart());
on("stop", "change", () => game.render());
on("sure", "input", () => game.render());
on("looks", "click", ({ target }) => {
  const button = target.closest("button");
  if (button) game.show(Number(button.dataset.number));
});

on("other", "click", () => {
  game.takeAnother();
  game.restart();
});
on("own", "click", () => {
  game.scene.clear();
  game.setMode("draw");
  game.begin();
  $("scene").focus();
});
on("throw", "click", () => {
  game.throwClutter();
  game.restart();
});
on("clutter", "input", () => game.scatter());
on("clutter", "change", () => game.restart());
on("cover", "change", () => game.render());
for (const radio of document.querySelectorAll("input[name=mode]")) {
  radio.addEventListener("change", () => game.setMode(radio.value));
}

// The scene.

const [height, width] = game.shape;
const within = (place, side) => Math.min(Math.max(place, 0), side - 0.01);

function placeOf({ offsetX, offsetY, target }) {
  const x = (offsetX / target.clientWidth) * width;
  return [within(x, width), within((offsetY / target.clientHeight) * height, height)];
}

on("scene", "pointerdown", (event) => {
  event.target.setPointerCapture(event.pointerId);
  game.press(...placeOf(event));
});
on("scene", "pointermove", (event) => {
  if (game.held && event.buttons) game.drag(...placeOf(event));
});
for (const end of ["pointerup", "pointercancel", "blur"]) on("scene", end, () => game.release());
on("scene", "focus", () => game.render());

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

on("scene", "keydown", (event) => {
  const { cursor } = game;
  if (event.key in ARROWS) {
    const [right, down] = ARROWS[event.key];
    const step = event.shiftKey ? 5 : 1;
    cursor.x = within(cursor.x + step * right, width);
    cursor.y = within(cursor.y + step * down, height);
    if (game.held) game.drag(cursor.x, cursor.y);
    else game.render();
  } else if (event.key === " " || event.key === "Enter") {
    if (game.held) game.release();
    else game.press(cursor.x, cursor.y);
  } else {
    return;
  }
  event.preventDefault(); // of scrolling
});

addEventListener("resize", () => game.render());

game.takeAnother();
$("page").removeAttribute("aria-busy");
if (matchMedia("(prefers-reduced-motion: reduce)").matches) game.look();
else game.play();
