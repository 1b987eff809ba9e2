// The WebVTT index of a sprite: finds and draws the tile for a time.

import { element } from "./dom.js";

const CUE = /(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})\s+-->\s+(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})/;
const TILE = /^(.*)#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)$/;

export function parseSprite(text) {
  const lines = text.split(/\r?\n/);
  const tiles = [];
  lines.forEach((line, index) => {
    const cue = CUE.exec(line);
    const tile = cue && TILE.exec((lines[index + 1] ?? "").trim());
    if (!tile) return;
    const [x, y, width, height] = tile.slice(2).map(Number);
    tiles.push({ start: seconds(cue.slice(1, 5)), end: seconds(cue.slice(5, 9)), x, y, width, height });
  });
  return tiles;
}

export function tileAt(tiles, moment) {
  return tiles.find(({ start, end }) => moment >= start && moment < end) ?? tiles.at(-1);
}

// Builds an element with one tile, scaled to ``width`` or ``height`` pixels.
export function buildTile(sheet, tiles, tile, size) {
  const made = element("span", { className: "tile" });
  made.style.backgroundImage = `url("${sheet}")`;
  showTile(made, tiles, tile, size);
  return made;
}

export function showTile(node, tiles, tile, { width, height }) {
  const scale = width ? width / tile.width : height / tile.height;
  const sheet = sizeOf(tiles);
  node.style.width = `${tile.width * scale}px`;
  node.style.height = `${tile.height * scale}px`;
  node.style.backgroundSize = `${sheet.width * scale}px ${sheet.height * scale}px`;
  node.style.backgroundPosition = `${-tile.x * scale}px ${-tile.y * scale}px`;
}

// The size of the sheet follows from its tiles; encoders pad it to full rows only.
function sizeOf(tiles) {
  return tiles.reduce(
    ({ width, height }, tile) => ({
      width: Math.max(width, tile.x + tile.width),
      height: Math.max(height, tile.y + tile.height),
    }),
    { width: 0, height: 0 },
  );
}

function seconds([hours = "0", minutes, whole, thousandths]) {
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(whole) + Number(thousandths) / 1000;
}
