// What is said in a video, in step with its player. A click seeks; a line can be edited in its place.

import { element } from "./dom.js";
import { formatClock } from "./format.js";

export class Transcript {
  #list;
  #captions = [];
  #current = -1;
  #video = null;

  // ``onSeek(ms)`` is called for a line that a person chose, ``onEdit(at, item)`` for one to edit.
  constructor(list, { onSeek, onEdit }) {
    this.#list = list;
    list.addEventListener("click", ({ target }) => {
      const item = target.closest("li");
      if (target.closest(".line")) onSeek(Number(target.closest(".line").dataset.start));
      else if (target.closest(".edit-line")) onEdit([...list.children].indexOf(item), item);
    });
  }

  show(captions) {
    this.#captions = captions;
    this.#current = -1;
    this.#list.replaceChildren(...captions.map(buildLine));
    // The list stays scrolled as it was: a person may be reading or editing elsewhere in it.
    if (this.#video) this.#mark(1000 * this.#video.currentTime);
  }

  follow(video) {
    this.#video = video;
    for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, () => this.#moveTo(1000 * video.currentTime));
  }

  #moveTo(ms) {
    const line = this.#mark(ms);
    // Do not scroll away while a person is writing.
    if (!line || this.#list.querySelector("textarea")) return;
    // The list scrolls, and never the page.
    this.#list.scrollTop = line.offsetTop - (this.#list.clientHeight - line.offsetHeight) / 2;
  }

  // Marks the line of a time; returns it if it was not marked before.
  #mark(ms) {
    const at = this.#captions.findLastIndex(({ start_ms: start }) => start <= ms + 1);
    const isOver = at >= 0 && ms >= this.#captions[at].end_ms;
    const current = isOver ? -1 : at;
    if (current === this.#current) return null;
    this.#list.children[this.#current]?.removeAttribute("aria-current");
    this.#current = current;
    const line = this.#list.children[current];
    line?.setAttribute("aria-current", "true");
    return line;
  }
}

function buildLine({ start_ms: start, lines, speaker }, at) {
  const words = lines.join(" ");
  const line = element("button", { type: "button", className: "line" },
    element("span", { className: "numbers", textContent: formatClock(start / 1000) }),
    element("span", {}, speaker ? `${speaker}: ` : "", element("span", { className: "words", textContent: words })));
  line.dataset.start = String(start);
  const edit = element("button", { type: "button", className: "edit-line", textContent: "Edit" });
  edit.setAttribute("aria-label", `Edit line ${at + 1}`);
  return element("li", {}, line, edit);
}
