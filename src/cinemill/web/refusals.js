// Uploads that came to nothing, in one list: the newest first, and the older ones folded away.

import { announce, button, find, fromTemplate } from "./dom.js";

const SHOWN = 3;

export class Refusals {
  #place = find("refusals");
  #title = find("refusals-title");
  #list = find("refused");
  #unfold = find("all-refused");
  #all = find("dismiss-all");
  #againAll = find("try-all");
  #agains = new Map();
  #isUnfolded = false;

  constructor({ onChooseAnother }) {
    this.onChooseAnother = onChooseAnother;
    this.#all.addEventListener("click", () => {
      this.#agains.clear();
      this.#list.replaceChildren();
      this.#settle();
    });
    this.#againAll.addEventListener("click", () => this.#tryAllAgain());
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
      this.#agains.set(item, tryAgain);
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
    this.#agains.delete(item);
    this.#settle(next);
  }

  #tryAllAgain() {
    const agains = [...this.#agains];
    this.#agains.clear();
    for (const [item, tryAgain] of agains) {
      item.remove();
      tryAgain();
    }
    this.#settle(this.#list.firstElementChild);
  }

  // The focus was on a button that is gone now.
  #settle(next) {
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
    // For several, the button above them all does.
    for (const made of this.#list.querySelectorAll(".another")) made.hidden = items.length > 1;
    this.#againAll.hidden = this.#agains.size < 2;
    this.#unfold.hidden = items.length <= SHOWN;
    if (this.#unfold.hidden) this.#isUnfolded = false;
    items.forEach((item, index) => { item.hidden = index >= SHOWN && !this.#isUnfolded; });
    this.#unfold.textContent = this.#isUnfolded ? `Show the newest ${SHOWN}` : `Show all ${items.length}`;
    this.#unfold.setAttribute("aria-expanded", String(this.#isUnfolded));
  }
}

// Which film a button means is plain to those who see it only.
function describe(made, name) {
  made.setAttribute("aria-label", `${made.textContent}: ${name}`);
}
