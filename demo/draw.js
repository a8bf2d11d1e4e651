// How is an episode drawn? One colour stands for one look, as in all pictures of ram_env.

import { trace } from "./scene.js";

const RAMP = [[76, 155, 255], [200, 115, 220], [255, 120, 85], [255, 210, 60]];

export function colorOf(number, total) {
  const place = (number / Math.max(1, total - 1)) * (RAMP.length - 1);
  const low = Math.min(Math.floor(place), RAMP.length - 2);
  const mixed = RAMP[low].map((value, i) => value + (place - low) * (RAMP[low + 1][i] - value));
  return `rgb(${mixed.map(Math.round).join(" ")})`;
}

// The (row, column) under a location: where the graph's retina looks, needed to draw its windows.
export function pixelOf([x, y], [height, width]) {
  const pixel = (share, side) => Math.min(Math.floor(((share + 1) / 2) * side), side - 1);
  return [pixel(y, height), pixel(x, width)];
}

export function locationOf([row, column], [height, width]) {
  return [(2 * (column + 0.5)) / width - 1, (2 * (row + 0.5)) / height - 1];
}

// One look and its number, or the canvas and all looks so far, on the page.
export class Painter {
  constructor({ canvas_shape, patch_size, num_scales, num_glimpses }) {
    this.shape = canvas_shape;
    this.patch = patch_size;
    this.scales = Array.from({ length: num_scales }, (_, scale) => scale);
    this.widest = patch_size * 2 ** (num_scales - 1);
    this.total = num_glimpses;
  }

  // Returns a context in which one unit is one pixel of the scene.
  #begin(element, width, height) {
    const zoom = Math.max(1, Math.round((element.clientWidth * devicePixelRatio) / width));
    element.width = zoom * width;
    element.height = zoom * height;
    const context = element.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.scale(zoom, zoom);
    return { context, line: (element.width / element.clientWidth || 1) / zoom };
  }

  retina(element, look, number) {
    const { context, line } = this.#begin(element, this.widest, this.widest);
    if (!look) return;
    for (const scale of this.scales.toReversed()) this.#lay(context, look, scale, 0, 0);
    context.strokeStyle = colorOf(number, this.total);
    context.lineWidth = 1.5 * line;
    for (const scale of this.scales.slice(0, -1)) {
      const side = this.patch * 2 ** scale;
      const start = (this.widest - side) / 2;
      context.strokeRect(start, start, side, side);
    }
  }

  // Lays a scale of a glimpse where the widest window has its corner at (left, top).
  #lay(context, { glimpse }, scale, left, top) {
    const side = this.patch * 2 ** scale;
    const start = (this.widest - side) / 2;
    const size = this.patch ** 2;
    const values = glimpse.subarray(scale * size, (scale + 1) * size);
    const picture = grey(values, this.patch, this.patch, 255);
    context.drawImage(picture, left + start, top + start, side, side);
  }

  scene(element, { scene, episode, cursor, held }, looks, { isCovered, hasCursor }) {
    const [height, width] = this.shape;
    const { context, line } = this.#begin(element, width, height);
    const places = looks.map(({ location }) => pixelOf(location, this.shape));
    if (isCovered) {
      context.fillStyle = "#2b2f38";
      context.fillRect(0, 0, width, height);
      for (const scale of this.scales.toReversed()) {
        looks.forEach((look, i) => {
          const [row, column] = places[i];
          this.#lay(context, look, scale, column - this.widest / 2, row - this.widest / 2);
        });
      }
    } else {
      context.drawImage(grey(episode.canvas, width, height, 1), 0, 0);
    }
    trace(context, scene.strokes);
    this.#gaze(context, places, line);
    if (hasCursor) cross(context, cursor, line, held);
  }

  #gaze(context, places, line) {
    const points = places.map(([row, column]) => [column + 0.5, row + 0.5]);
    places.forEach(([row, column], i) => {
      const isLast = i === places.length - 1;
      context.strokeStyle = colorOf(i, this.total);
      context.lineWidth = (isLast ? 1.5 : 1) * line;
      context.globalAlpha = isLast ? 1 : 0.55;
      for (const scale of isLast ? this.scales : [0]) {
        const side = this.patch * 2 ** scale;
        context.strokeRect(column - side / 2, row - side / 2, side, side);
      }
    });
    context.globalAlpha = 1;
    context.lineWidth = 2 * line;
    points.slice(1).forEach((point, i) => {
      context.strokeStyle = colorOf(i + 1, this.total);
      context.beginPath();
      context.moveTo(...points[i]);
      context.lineTo(...point);
      context.stroke();
    });
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `700 ${11 * line}px system-ui, sans-serif`;
    points.forEach(([x, y], i) => {
      context.beginPath();
      context.arc(x, y, 8 * line, 0, 2 * Math.PI);
      context.fillStyle = colorOf(i, this.total);
      context.fill();
      context.fillStyle = "#14161a";
      context.fillText(i + 1, x, y + 0.5 * line);
    });
  }
}

function cross(context, { x, y }, line, held) {
  context.lineWidth = 2 * line;
  context.strokeStyle = held ? "#ff7855" : "#ffd23c";
  for (const [right, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.beginPath();
    context.moveTo(x + 0.8 * right, y + 0.8 * down);
    context.lineTo(x + 2.4 * right, y + 2.4 * down);
    context.stroke();
  }
}

function grey(values, width, height, white) {
  const picture = new OffscreenCanvas(width, height);
  const data = new ImageData(width, height);
  values.forEach((value, i) => data.data.set([value * white, value * white, value * white, 255], 4 * i));
  picture.getContext("2d").putImageData(data, 0, 0);
  return picture;
}
