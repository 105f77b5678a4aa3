// What the sending browser's camera and microphone give: a film and a voice, made here, the same in every run.
//
// The film: 640×360, 30 pictures a second, five seconds without a seam. Somebody moves before a wall with a pattern, in
// a light that makes grain; a codec needs about a megabit a second for it. Each picture carries its number along the
// upper edge (client.js reads it): so how long it took from camera to screen is known, whatever a server says of time.
// The voice: a tone with syllables, never silent, so that what is concealed is heard.
import { existsSync, mkdirSync, openSync, writeSync, closeSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

export const FILM = { width: 640, height: 360, fps: 30, pictures: 150, cell: 48, cells: 12, left: 32, rows: 36, grain: 5 };

function random(seed) {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 32;
  };
}

/** Smooth noise that repeats itself at its edges. */
function pattern(size, cells, seed) {
  const roll = random(seed);
  const knots = Float64Array.from({ length: cells * cells }, roll);
  const out = new Float64Array(size * size);
  const step = size / cells;
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const [cx, cy] = [Math.floor(x / step), Math.floor(y / step)];
      const [fx, fy] = [x / step - cx, y / step - cy];
      const k = (i, j) => knots[((cy + j) % cells) * cells + ((cx + i) % cells)];
      out[y * size + x] = (k(0, 0) * (1 - fx) + k(1, 0) * fx) * (1 - fy) + (k(0, 1) * (1 - fx) + k(1, 1) * fx) * fy;
    }
  return out;
}

/** The cells of a picture's number: eight bits, then the inverse of their two halves' exclusive or. */
export function cellsOf(number) {
  const word = (number << 4) | (~(number ^ (number >> 4)) & 15);
  return Array.from({ length: FILM.cells }, (_, i) => (word >> (FILM.cells - 1 - i)) & 1);
}

function film(file) {
  const { width, height, fps, pictures, cell, cells, left, rows } = FILM;
  const wall = pattern(512, 64, 1);
  const face = pattern(256, 32, 2);
  const roll = random(3);
  const grain = Int8Array.from({ length: 1 << 20 }, () => Math.round((roll() + roll() - 1) * FILM.grain));
  const fd = openSync(file, "w");
  writeSync(fd, `YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420jpeg\n`);
  const luma = Buffer.alloc(width * height);
  const chroma = Buffer.alloc((width * height) / 2, 120);
  for (let n = 0; n < pictures; n++) {
    const turn = (2 * Math.PI * n) / pictures;
    const headX = 320 + 70 * Math.sin(turn) + 12 * Math.sin(5 * turn);
    const headY = 200 + 18 * Math.sin(3 * turn);
    const shakeX = Math.round(6 * Math.sin(2 * turn));
    const shakeY = Math.round(4 * Math.cos(3 * turn));
    let at = Math.floor(roll() * (1 << 19));
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [dx, dy] = [(x - headX) / 95, (y - headY) / 125];
        const inside = dx * dx + dy * dy < 1;
        const value = inside
          ? 120 + 90 * face[((Math.round(y - headY) + 512) & 255) * 256 + ((Math.round(x - headX) + 512) & 255)]
          : 40 + 110 * wall[((y + shakeY + 512) & 511) * 512 + ((x + shakeX + 512) & 511)];
        luma[y * width + x] = Math.max(16, Math.min(235, value + grain[at++]));
      }
    const bits = cellsOf(n);
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < width; x++) {
        const i = Math.floor((x - left) / cell);
        luma[y * width + x] = i >= 0 && i < cells && bits[i] ? 235 : 16;
      }
    writeSync(fd, "FRAME\n");
    writeSync(fd, luma);
    writeSync(fd, chroma);
  }
  closeSync(fd);
}

function voice(file) {
  const rate = 48000;
  const samples = rate * 5;
  const data = Buffer.alloc(44 + samples * 2);
  data.write("RIFF", 0);
  data.writeUInt32LE(36 + samples * 2, 4);
  data.write("WAVEfmt ", 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(1, 22);
  data.writeUInt32LE(rate, 24);
  data.writeUInt32LE(rate * 2, 28);
  data.writeUInt16LE(2, 32);
  data.writeUInt16LE(16, 34);
  data.write("data", 36);
  data.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++) {
    const t = i / rate;
    const syllable = 0.55 + 0.45 * Math.sin(2 * Math.PI * 4 * t);
    const pitch = 2 * Math.PI * 140 * t + 3 * Math.sin(2 * Math.PI * 0.6 * t);
    let v = 0;
    for (let k = 1; k <= 12; k++) v += Math.sin(k * pitch) / (k + Math.abs(k - 5 - 3 * Math.sin(2 * Math.PI * 1.2 * t)));
    data.writeInt16LE(Math.round(6000 * syllable * v), 44 + 2 * i);
  }
  writeFileSync(file, data);
}

/** Makes what is missing; the arguments of a Chromium that captures it. */
export function captureArguments(folder) {
  mkdirSync(folder, { recursive: true });
  const made = [
    ["camera.y4m", film],
    ["microphone.wav", voice],
  ].map(([name, make]) => {
    const file = path.resolve(folder, name);
    if (!existsSync(file)) {
      make(`${file}.new`);
      renameSync(`${file}.new`, file);
    }
    return file;
  });
  return [`--use-file-for-fake-video-capture=${made[0]}`, `--use-file-for-fake-audio-capture=${made[1]}`];
}
