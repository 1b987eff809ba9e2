// What is said in a video, in step with its player. A click seeks.

import { element } from "./dom.js";
import { formatClock } from "./format.js";

export class Transcript {
  #list;
  #captions = [];
  #current = -1;

  // ``onSeek(ms)`` is called for a line that a person chose.
  constructor(list, { onSeek }) {
    this.#list = list;
    list.addEventListener("click", ({ target }) => {
      const line = target.closest("button");
      if (line) onSeek(Number(line.dataset.start));
    });
  }

  show(captions) {
    this.#captions = captions;
    this.#current = -1;
    this.#list.replaceChildren(...captions.map(({ start_ms: start, lines }) => {
      const line = element("button", { type: "button" },
        element("span", { className: "numbers", textContent: formatClock(start / 1000) }),
        element("span", { textContent: lines.join(" ") }));
      line.dataset.start = String(start);
      return element("li", {}, line);
    }));
  }

  follow(video) {
    for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, () => this.#moveTo(1000 * video.currentTime));
  }

  #moveTo(ms) {
    const at = this.#captions.findLastIndex(({ start_ms: start }) => start <= ms + 1);
    const isOver = at >= 0 && ms >= this.#captions[at].end_ms;
    const current = isOver ? -1 : at;
    if (current === this.#current) return;
    this.#list.children[this.#current]?.removeAttribute("aria-current");
    this.#current = current;
    const line = this.#list.children[current];
    if (!line) return;
    line.setAttribute("aria-current", "true");
    // The list scrolls, and never the page.
    this.#list.scrollTop = line.offsetTop - (this.#list.clientHeight - line.offsetHeight) / 2;
  }
}
