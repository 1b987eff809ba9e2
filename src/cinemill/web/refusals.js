// The list of failed uploads, newest first, with older ones collapsed.

import { announce, button, find, fromTemplate } from "./dom.js";

const SHOWN = 3;

export class Refusals {
  #place = find("refusals");
  #title = find("refusals-title");
  #list = find("refused");
  #unfold = find("all-refused");
  #all = find("dismiss-all");
  #retryAll = find("try-all");
  #retries = new Map();
  #isUnfolded = false;

  constructor({ onChooseAnother }) {
    this.onChooseAnother = onChooseAnother;
    this.#all.addEventListener("click", () => {
      this.#retries.clear();
      this.#list.replaceChildren();
      this.#moveFocus();
    });
    this.#retryAll.addEventListener("click", () => this.#retryAllUploads());
    this.#unfold.addEventListener("click", () => {
      this.#isUnfolded = !this.#isUnfolded;
      this.#fold();
    });
  }

  add(name, problem, tryAgain) {
    const item = fromTemplate("refusal-template").firstElementChild;
    const fill = (place, words) => { item.querySelector(place).textContent = words; };
    fill(".name", name);
    fill(".sentence", problem.message);
    fill(".hint", problem.hint);
    fill(".code", problem.code);
    const actions = item.querySelector(".actions");
    if (problem.isRetryable) {
      this.#retries.set(item, tryAgain);
      actions.append(button("Retry", () => {
        this.#remove(item);
        tryAgain();
      }));
    }
    const another = () => {
      this.#remove(item);
      this.onChooseAnother();
    };
    actions.append(
      button("Choose another video", another, "button another"),
      button("Dismiss", () => this.#remove(item)),
    );
    for (const made of actions.children) describe(made, name);
    this.#list.prepend(item);
    this.#fold();
    announce(`${name} could not be uploaded. ${problem.message}`);
  }

  #remove(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    this.#retries.delete(item);
    this.#moveFocus(next);
  }

  #retryAllUploads() {
    const retries = [...this.#retries];
    this.#retries.clear();
    for (const [item, tryAgain] of retries) {
      item.remove();
      tryAgain();
    }
    this.#moveFocus(this.#list.firstElementChild);
  }

  // The button that had the focus is gone.
  #moveFocus(next) {
    this.#fold();
    if (next) next.querySelector(".actions").lastElementChild.focus();
    else find("files").focus();
  }

  #fold() {
    const items = [...this.#list.children];
    this.#place.hidden = items.length === 0;
    this.#title.textContent =
      items.length === 1 ? "This video could not be uploaded" : `${items.length} videos could not be uploaded`;
    this.#all.hidden = items.length < 2;
    // With several items, the button above the list is enough.
    for (const made of this.#list.querySelectorAll(".another")) made.hidden = items.length > 1;
    this.#retryAll.hidden = this.#retries.size < 2;
    this.#unfold.hidden = items.length <= SHOWN;
    if (this.#unfold.hidden) this.#isUnfolded = false;
    items.forEach((item, index) => { item.hidden = index >= SHOWN && !this.#isUnfolded; });
    this.#unfold.textContent = this.#isUnfolded ? `Show the newest ${SHOWN}` : `Show all ${items.length}`;
    this.#unfold.setAttribute("aria-expanded", String(this.#isUnfolded));
  }
}

// Name the video in the label of each button, for screen readers.
function describe(made, name) {
  made.setAttribute("aria-label", `${made.textContent}: ${name}`);
}
