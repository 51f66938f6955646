// Pictures for the tests: PNGs written by hand, and landscapes painted in the
// browser for screenshots. All from a seed.

import { deflateSync } from "node:zlib";

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ TABLE[(value ^ byte) & 255];
  return (value ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8 + named.length);
  frame.writeUInt32BE(data.length, 0);
  named.copy(frame, 4);
  frame.writeUInt32BE(crc(named), 4 + named.length);
  return frame;
}

/** Numbers from 0 to 1, the same for the same seed. */
export function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A PNG whose pixels `colour(x, y)` gives as [red, green, blue]. */
export function png(width, height, colour) {
  const rows = Buffer.alloc(height * (1 + width * 3));
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    rows[at++] = 0;
    for (let x = 0; x < width; x += 1) for (const part of colour(x, y)) rows[at++] = part;
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const data = deflateSync(rows, { level: 1 });
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

/** A small PNG, different for every seed. */
export function small(seed = 1, width = 32, height = 24) {
  return png(width, height, (x, y) => [(x * 8 + seed * 40) & 255, (y * 10 + seed * 90) & 255, (seed * 50) & 255]);
}

/** A PNG of noise, about three bytes a pixel: nothing makes it smaller. */
export function noise(seed, width, height) {
  const random = randomness(seed);
  return png(width, height, () => [random() * 256, random() * 256, random() * 256]);
}

/** A file for `setInputFiles` and for dropping. */
export function file(name, buffer, mimeType = "image/png") {
  return { name, mimeType, buffer };
}

/** Paints a landscape in the browser. `type` is what the canvas can write. */
export async function landscape(page, { seed, width, height, type = "image/jpeg" }) {
  const data = await page.evaluate(paint, { seed, width, height, type });
  return Buffer.from(data.slice(data.indexOf(",") + 1), "base64");
}

/* Runs in the page. */
function paint({ seed, width, height, type }) {
  let state = seed * 7919 + 13;
  const random = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
  for (let skip = 0; skip < 12; skip += 1) random();
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const paper = canvas.getContext("2d");
  const skies = [
    ["#274a78", "#7fb2d9", "#f7dfb5"], ["#2b1d4f", "#b34d6d", "#ffb36b"], ["#0d1b3d", "#24477d", "#8fb3cf"],
    ["#5aa2d8", "#b7dcf2", "#fdf3dc"], ["#6b2f4b", "#e0785a", "#ffd9a0"], ["#1b4b5a", "#6fb3a8", "#f2e6c4"],
  ];
  const lands = [
    ["#8fb0a8", "#5d8c7c", "#31594a", "#183327"], ["#b48a9c", "#7d5577", "#4a3159", "#241a38"],
    ["#9fb4c7", "#6c86a3", "#3f587a", "#1d2e4a"], ["#d3b98a", "#a88952", "#6f5a33", "#3b301c"],
  ];
  const sky = skies[seed % skies.length];
  const land = lands[(seed * 3 + Math.floor(seed / 6)) % lands.length];
  const fade = paper.createLinearGradient(0, 0, 0, height * 0.72);
  sky.forEach((tone, number) => fade.addColorStop(number / 2, tone));
  paper.fillStyle = fade;
  paper.fillRect(0, 0, width, height);

  const unit = Math.min(width, height);
  const sunX = width * (0.2 + random() * 0.6);
  const sunY = height * (0.22 + random() * 0.26);
  const sun = unit * (0.05 + random() * 0.05);
  const glow = paper.createRadialGradient(sunX, sunY, sun * 0.6, sunX, sunY, sun * 7);
  glow.addColorStop(0, "rgba(255,244,214,0.85)");
  glow.addColorStop(1, "rgba(255,244,214,0)");
  paper.fillStyle = glow;
  paper.fillRect(0, 0, width, height);
  paper.fillStyle = "#fff6df";
  paper.beginPath();
  paper.arc(sunX, sunY, sun, 0, 7);
  paper.fill();

  for (let cloud = 0; cloud < 5; cloud += 1) {
    const [x, y] = [random() * width, height * (0.06 + random() * 0.3)];
    for (let puff = 0; puff < 9; puff += 1) {
      paper.fillStyle = `rgba(255,255,255,${0.05 + random() * 0.08})`;
      paper.beginPath();
      const spread = unit * (0.04 + random() * 0.08);
      paper.ellipse(x + (random() - 0.5) * unit * 0.4, y + (random() - 0.5) * unit * 0.05, spread * 1.8, spread * 0.5, 0, 0, 7);
      paper.fill();
    }
  }

  const hasLake = seed % 3 !== 1;
  land.forEach((tone, layer) => {
    const base = height * (0.46 + layer * 0.14);
    const waves = [1, 2, 3, 4, 5].map((octave) => [random() * 7, (0.6 + random() * 0.8) * octave * 1.7, unit * (0.11 - layer * 0.014) / octave]);
    paper.fillStyle = tone;
    paper.beginPath();
    paper.moveTo(0, height);
    for (let x = 0; x <= width; x += Math.max(1, width / 400)) {
      const up = waves.reduce((sum, [phase, pace, size]) => sum + Math.sin(phase + (x / width) * pace * 4) * size, 0);
      paper.lineTo(x, base - up + (random() - 0.5) * unit * 0.006);
    }
    paper.lineTo(width, height);
    paper.fill();
    if (layer === 1 && hasLake) {
      const water = paper.createLinearGradient(0, height * 0.66, 0, height);
      water.addColorStop(0, sky[2]);
      water.addColorStop(1, sky[0]);
      paper.fillStyle = water;
      paper.fillRect(0, height * 0.68, width, height);
      for (let glint = 0; glint < 70; glint += 1) {
        paper.fillStyle = `rgba(255,250,230,${random() * 0.25})`;
        paper.fillRect(random() * width, height * (0.69 + random() * 0.3), unit * random() * 0.2, Math.max(1, unit * 0.003));
      }
    }
    if (layer === 3) {
      for (let tree = 0; tree < 46; tree += 1) {
        const [x, size] = [random() * width, unit * (0.03 + random() * 0.075)];
        const foot = height * (0.9 + random() * 0.1);
        paper.beginPath();
        for (let floor = 0; floor < 3; floor += 1) {
          const top = foot - size * (1.5 - floor * 0.4) * 1.5;
          const half = size * (0.18 + floor * 0.11);
          paper.moveTo(x, top);
          paper.lineTo(x + half, top + size * 0.8);
          paper.lineTo(x - half, top + size * 0.8);
        }
        paper.fill();
      }
    }
  });
  const grain = paper.getImageData(0, 0, width, height);
  for (let at = 0; at < grain.data.length; at += 4) {
    const tone = (random() - 0.5) * 11;
    grain.data[at] += tone;
    grain.data[at + 1] += tone;
    grain.data[at + 2] += tone;
  }
  paper.putImageData(grain, 0, 0);
  return canvas.toDataURL(type, 0.86);
}
