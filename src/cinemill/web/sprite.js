// The WebVTT index of a sprite: which tile of which picture shows which moment.

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

function seconds([hours = "0", minutes, whole, thousandths]) {
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(whole) + Number(thousandths) / 1000;
}
