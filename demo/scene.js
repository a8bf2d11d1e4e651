// What lies on the canvas? A digit, taken or drawn, and clutter: sprites that add up.
//
// A sprite is { row, column, side, pixels }: its top-left corner, and grey values (side * side).

const DIGIT_SIDE = 20; // pixels: the longer side of MNIST's digits,
const BOX_SIDE = 28; // which lie in the middle of so many,
const PEN_WIDTH = 2.4; // and are drawn about as thick

export class Scene {
  target = null; // the sprite of the digit
  label = null; // its class; null: nobody knows it
  strokes = []; // a drawing that is not yet a sprite: lists of [x, y] in pixels
  clutter = [];

  constructor(shape) {
    [this.height, this.width] = shape;
  }

  clear() {
    this.target = this.label = null;
    this.strokes = [];
  }

  take({ digit, label }) {
    this.clear();
    this.target = { ...digit };
    this.label = label;
  }

  draw(x, y, isNew) {
    if (isNew) {
      const { strokes, row, column } = this.target ?? {};
      const before = strokes ? moved(strokes, 1, column, row) : this.strokes;
      this.clear(); // a digit that was taken gives way to the drawing
      this.strokes = [...before, []];
    }
    this.strokes.at(-1).push([x, y]);
  }

  // Makes a drawing a digit of the size that the model knows, where it was drawn; says if it did.
  settle() {
    if (this.strokes.length === 0) return false;
    const points = this.strokes.flat();
    const [left, top] = [0, 1].map((axis) => Math.min(...points.map((point) => point[axis])));
    const [right, bottom] = [0, 1].map((axis) => Math.max(...points.map((point) => point[axis])));
    const zoom = (DIGIT_SIDE - PEN_WIDTH) / Math.max(right - left, bottom - top, 1);
    const corner = (middle, side) =>
      Math.min(Math.max(Math.round(middle - BOX_SIDE / 2), 0), side - BOX_SIDE);
    const middleOf = (low, high) => BOX_SIDE / 2 - (zoom * (low + high)) / 2;
    const strokes = moved(this.strokes, zoom, middleOf(left, right), middleOf(top, bottom));
    this.target = {
      row: corner((top + bottom) / 2, this.height),
      column: corner((left + right) / 2, this.width),
      side: BOX_SIDE,
      pixels: rasterise(strokes),
      strokes,
    };
    this.strokes = [];
    return true;
  }

  // The topmost sprite that has ink near a pixel.
  at(x, y) {
    const [row, column] = [Math.floor(y), Math.floor(x)];
    const has = (sprite) => {
      for (let r = row - 1; r <= row + 1; r++) {
        for (let c = column - 1; c <= column + 1; c++) {
          if (valueAt(sprite, r, c) > 0) return true;
        }
      }
      return false;
    };
    return [...this.clutter, this.target].filter(Boolean).reverse().find(has);
  }

  move(sprite, rows, columns) {
    const inside = (corner, side) => Math.min(Math.max(corner, 0), side - sprite.side);
    sprite.row = inside(sprite.row + rows, this.height);
    sprite.column = inside(sprite.column + columns, this.width);
  }

  // The pixels, as ram_env paints them: sums saturate at white.
  paint() {
    const canvas = new Uint8ClampedArray(this.height * this.width);
    for (const { row, column, side, pixels } of [...this.clutter, this.target].filter(Boolean)) {
      pixels.forEach((value, i) => {
        canvas[(row + Math.floor(i / side)) * this.width + column + (i % side)] += value;
      });
    }
    return new Uint8Array(canvas.buffer);
  }
}

function valueAt({ row, column, side, pixels }, r, c) {
  const isInside = r >= row && c >= column && r < row + side && c < column + side;
  return isInside ? pixels[(r - row) * side + c - column] : 0;
}

function moved(strokes, zoom, right, down) {
  return strokes.map((points) => points.map(([x, y]) => [zoom * x + right, zoom * y + down]));
}

export function trace(context, strokes) {
  context.lineWidth = PEN_WIDTH;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "white";
  for (const points of strokes) {
    context.beginPath();
    for (const [x, y] of [points[0], ...points]) context.lineTo(x, y);
    context.stroke();
  }
}

function rasterise(strokes) {
  const context = new OffscreenCanvas(BOX_SIDE, BOX_SIDE).getContext("2d");
  context.fillRect(0, 0, BOX_SIDE, BOX_SIDE);
  trace(context, strokes);
  const { data } = context.getImageData(0, 0, BOX_SIDE, BOX_SIDE);
  return data.filter((_, i) => i % 4 === 0);
}
