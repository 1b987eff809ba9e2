// Chapters and key moments of a video, next to its player. A click seeks; the current chapter is marked.

import { getChapters } from "./api.js";
import { element } from "./dom.js";
import { formatClock } from "./format.js";

const SOURCES = {
  speech: "what is said", description: "what a model described", text: "what is written in the picture",
};

// Chapters as a lane of the timeline; none without chapters.
export function toChapterLanes(chapters) {
  if (!chapters.length) return [];
  const spans = chapters.map(({ start, end, title }) => (
    { start: Math.round(1000 * start), end: Math.round(1000 * end), text: title, words: title }));
  return [{ id: "chapters", label: "Chapters", detail: countChapters(chapters.length), points: [], limit: null, spans }];
}

const countChapters = (count) => `${count} ${count === 1 ? "chapter" : "chapters"}`;

// Why a moment is a key moment, in words.
export function explainMoment({ names, statement_count: count }) {
  const reasons = [];
  if (names.length) reasons.push(`First to name ${names.join(", ")}`);
  if (count) reasons.push(`${reasons.length ? "states" : "States"} ${count} ${count === 1 ? "relation" : "relations"}`);
  return reasons.join("; ");
}

// The position of the chapter that a time in seconds is in; −1 for none.
export const chapterAt = (chapters, seconds) =>
  chapters.findLastIndex(({ start, end }) => seconds >= start - 0.001 && seconds < end);

export class ChaptersPanel {
  #section;
  #assetId;
  #chapters = [];
  #list = element("ol", { className: "chapters" });
  #moments = element("ol", { className: "chapters key-moments" });
  #current = -1;
  #latest = 0;
  #video = null;

  // ``section`` is hidden while there is nothing to show. ``onSeek(ms)`` is called for what a person
  // chose, ``onLanes(lanes)`` gets the lane of the chapters.
  constructor(section, assetId, { onSeek, onLanes }) {
    this.#section = section;
    this.#assetId = assetId;
    this.onLanes = onLanes;
    section.addEventListener("click", ({ target }) => {
      const chosen = target.closest("button");
      if (chosen) onSeek(Number(chosen.dataset.start));
    });
  }

  // Of several refreshes at a time, only the last one is shown.
  async refresh() {
    this.#latest += 1;
    const number = this.#latest;
    try {
      const found = await getChapters(this.#assetId);
      if (number === this.#latest) this.#keepPlace(() => this.#show(found));
    } catch (problem) {
      if (number === this.#latest) throw problem;
    }
  }

  // Draws the lists again; they stay scrolled as they were, and the focus stays at its time.
  #keepPlace(draw) {
    const lists = [this.#list, this.#moments];
    const isFirst = !lists.some((list) => list.isConnected);
    const places = lists.map((list) => list.scrollTop);
    const focused = document.activeElement;
    const list = lists.find((one) => one.contains(focused));
    draw();
    if (isFirst) return;
    lists.forEach((one, at) => { one.scrollTop = places[at]; });
    if (!list) return;
    const buttons = [...list.querySelectorAll("button")];
    const start = Number(focused.dataset.start);
    const same = buttons.findLast(({ dataset }) => Number(dataset.start) <= start) ?? buttons[0];
    same?.focus({ preventScroll: true });
  }

  #show(found) {
    this.#chapters = found.chapters;
    this.#current = -1;
    this.#list.replaceChildren(...found.chapters.map(({ start, title }) =>
      element("li", {}, seekButton(start, element("span", { className: "chapter-title", textContent: title })))));
    this.#section.replaceChildren(...this.#describe(found), ...this.#describeMoments(found.key_moments));
    this.#section.hidden = this.#section.childElementCount === 0;
    this.onLanes(toChapterLanes(found.chapters));
    if (this.#video) this.#moveTo(this.#video.currentTime);
  }

  follow(video) {
    this.#video = video;
    for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, () => this.#moveTo(video.currentTime));
  }

  #describe({ chapters, track, comparison }) {
    if (!chapters.length) return [];
    const how = comparison === "words" ? "words" : "meaning";
    this.#list.setAttribute("aria-label", "Chapters");
    return [
      element("h2", { textContent: "Chapters" }),
      element("p", { className: "quiet", textContent: `A chapter begins where the subject changes, judged by the ${how} of ${SOURCES[track]}. Titles list words that are typical of the chapter.` }),
      this.#list,
    ];
  }

  #describeMoments(moments) {
    this.#moments.replaceChildren(...moments.map((one) =>
      element("li", {}, seekButton(one.start,
        element("span", { className: "key-moment" },
          element("span", { className: "key-text", textContent: one.text }),
          element("span", { className: "key-reason", textContent: explainMoment(one) }))))));
    if (!moments.length) return [];
    this.#moments.setAttribute("aria-label", "Key moments");
    return [
      element("h2", { textContent: "Key moments" }),
      element("p", { className: "quiet", textContent: "Passages that introduce names or state relations, quoted." }),
      this.#moments,
    ];
  }

  #moveTo(seconds) {
    const current = chapterAt(this.#chapters, seconds);
    if (current === this.#current) return;
    this.#list.children[this.#current]?.removeAttribute("aria-current");
    this.#current = current;
    const entry = this.#list.children[current];
    if (!entry) return;
    entry.setAttribute("aria-current", "true");
    // The list scrolls, and never the page.
    this.#list.scrollTop = entry.offsetTop - (this.#list.clientHeight - entry.offsetHeight) / 2;
  }
}

function seekButton(start, words) {
  const made = element("button", { type: "button" },
    element("span", { className: "numbers", textContent: formatClock(start) }), words);
  made.dataset.start = String(Math.round(1000 * start));
  return made;
}
