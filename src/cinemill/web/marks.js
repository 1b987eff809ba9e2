// The words of a query, marked in a text. Everything stays text: marks are elements around it.

import { element } from "./dom.js";

const WORD = /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu;
const COMMON = new Set((
  "a an and are as at be been but by can could did do does for from had has have he her his how i in is it its me my of on "
  + "or our she so that the their them they this to us was we were what when where which who whom whose why will with would you your"
).split(" "));
const ENDINGS = /(?:ings?|ed|es|s|ly)$/u;
const SHORTEST_STEM = 3;
const EXCERPT_CHARACTERS = 320;
const BEFORE_CHARACTERS = 80;
// What would be left out is shown as well where it is no longer than this.
const LONGEST_REST = 20;

// "Élan" → "elan", "negotiations" → "negotiation": alike enough to be marked, not a grammar.
export function stemOf(word) {
  const plain = word.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  const stem = plain.replace(ENDINGS, "");
  return stem.length >= SHORTEST_STEM ? stem : plain;
}

// The stems of a query's words; of nothing but common words, all of them.
export function stemsOf(query) {
  const words = query.match(WORD) ?? [];
  const rare = words.filter((word) => !COMMON.has(word.toLowerCase()));
  return new Set((rare.length ? rare : words).map(stemOf));
}

// The ranges [start, end] of a text's words that the query has.
export function findMarks(text, stems) {
  return [...text.matchAll(WORD)]
    .filter(([word]) => stems.has(stemOf(word)))
    .map(({ 0: word, index }) => [index, index + word.length]);
}

// A text as nodes, from just before its first mark on where it is long.
export function markWords(text, query) {
  const stems = stemsOf(query);
  const shown = cutAround(text, findMarks(text, stems)[0]?.[0] ?? 0);
  const nodes = [];
  let end = 0;
  for (const [start, until] of findMarks(shown, stems)) {
    nodes.push(shown.slice(end, start), element("mark", { textContent: shown.slice(start, until) }));
    end = until;
  }
  return [...nodes, shown.slice(end)];
}

function cutAround(text, mark) {
  if (text.length <= EXCERPT_CHARACTERS) return text;
  const wanted = Math.max(0, Math.min(mark - BEFORE_CHARACTERS, text.length - EXCERPT_CHARACTERS));
  const start = wanted === 0 ? 0 : text.lastIndexOf(" ", wanted) + 1 || wanted;
  const limit = start + EXCERPT_CHARACTERS;
  const end = limit + LONGEST_REST >= text.length ? text.length : Math.max(text.lastIndexOf(" ", limit), start + BEFORE_CHARACTERS);
  return `${start > 0 ? "… " : ""}${text.slice(start, end)}${end < text.length ? " …" : ""}`;
}
