// Operations on captions and checks of them, as lists of { start, end, text, speaker } with times in
// milliseconds; the speaker is empty if nobody is named. Independent of the page.

const LINE_COLUMNS = 42;
const CHARACTERS_PER_SECOND = 17;
const NEW_MS = 2000;
const LEAST_MS = 200;

export const fromDocument = ({ captions }) =>
  captions.map(({ start_ms: start, end_ms: end, lines, speaker = "" }) =>
    ({ start, end, text: lines.join("\n"), speaker }));

export const toDocument = (cues) =>
  cues.map(({ start, end, text, speaker }) =>
    ({ start_ms: start, end_ms: end, lines: text.split("\n"), speaker }));

// Returns a sentence for each cue that cannot be saved, "" for others. Invalid times are null.
export function findProblems(cues) {
  let before = 0;
  return cues.map(({ start, end, text }) => {
    const words = problemOf(start, end, text, before);
    before = Math.max(before, end ?? start ?? 0);
    return words;
  });
}

function problemOf(start, end, text, before) {
  if (start === null || end === null) return "Enter times as minutes and seconds, such as 0:04.250.";
  if (end <= start) return "The end must be after the beginning.";
  if (start < before) return "This caption begins before the previous one ends.";
  return text.trim() ? "" : "This caption has no text. Add some or delete it.";
}

// Returns a warning for a cue that can be saved but is hard to read, else "".
export function findHint({ start, end, text }) {
  const lines = text.split("\n");
  if (lines.length > 2) return `${lines.length} lines; use at most two.`;
  const longest = Math.max(...lines.map((line) => line.length));
  if (longest > LINE_COLUMNS) return `The longest line has ${longest} characters; use at most ${LINE_COLUMNS}.`;
  const speed = Math.round((1000 * text.length) / Math.max(1, end - start));
  return speed > CHARACTERS_PER_SECOND ? `${speed} characters per second; at most ${CHARACTERS_PER_SECOND} are comfortable to read.` : "";
}

// Splits a cue: the text at ``at`` if that is inside it, else near its middle; the time at ``moment``
// if that is inside it, else in proportion to the text. Returns null if the cue is too short.
export function split({ start, end, text, speaker = "" }, at, moment) {
  const place = at > 0 && at < text.length ? at : middleOf(text);
  const shared = start + Math.round(((end - start) * place) / Math.max(1, text.length));
  const isWithin = moment >= start + LEAST_MS && moment <= end - LEAST_MS;
  const cut = isWithin ? Math.round(moment) : shared;
  if (cut <= start || cut >= end) return null;
  return [
    { start, end: cut, text: text.slice(0, place).trim(), speaker },
    { start: cut, end, text: text.slice(place).trim(), speaker },
  ];
}

// The end of the first line, or the space nearest to the middle.
function middleOf(text) {
  if (text.includes("\n")) return text.indexOf("\n");
  const spaces = [...text.matchAll(/\s/g)].map(({ index }) => index);
  const distance = (index) => Math.abs(index - text.length / 2);
  return spaces.sort((a, b) => distance(a) - distance(b))[0] ?? Math.floor(text.length / 2);
}

export function merge(one, other) {
  const texts = [one.text, other.text].map((text) => text.trim()).filter(Boolean);
  const isPair = texts.every((text) => !text.includes("\n"));
  const joined = texts.join(" ");
  const text = isPair && joined.length > LINE_COLUMNS ? texts.join("\n") : joined;
  const speaker = one.speaker === other.speaker ? one.speaker : "";
  return { start: one.start, end: other.end, text, speaker };
}

// Finds a place for a new cue: at ``moment`` if no cue is there, else after the cue ``after``. Without
// a player ``moment`` is below 0, which is never free. Returns { index, cue }, or null.
export function findGap(cues, moment, after) {
  const free = moment >= 0 && cues.every(({ start, end }) => moment < start || moment >= end);
  const start = free ? Math.round(moment) : (cues[after]?.end ?? 0);
  const index = cues.filter((cue) => cue.start < start).length;
  const next = cues[index]?.start ?? Infinity;
  const end = Math.min(start + NEW_MS, next);
  return end - start < LEAST_MS ? null : { index, cue: { start, end, text: "", speaker: "" } };
}

export const indexAt = (cues, moment) =>
  cues.findIndex(({ start, end }) => moment >= start && moment < end);
