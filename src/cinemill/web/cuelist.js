// The rows of the caption editor, each a cue with times and text. The tools work on the selected
// row.

import { announce, element } from "./dom.js";
import { findHint, findProblems, findGap, indexAt, merge, split } from "./cues.js";
import { formatMoment, parseMoment } from "./format.js";

const NUDGE_MS = 100;
const MOST_UNDONE = 50;

export class CueList {
  #container;
  #tools;
  #rows = [];
  #chosen = -1;
  #current = -1;
  #saved = "";
  #history = [];
  #undone = [];
  // The field being edited: everything typed into it is undone in one step.
  #editedField = null;

  constructor(place, tools, { player, onChange }) {
    Object.assign(this, { player, onChange });
    this.#container = place;
    this.#tools = tools;
    this.#wire();
  }

  get cues() {
    return this.#rows.map(({ cue }) => ({ ...cue }));
  }

  get isChanged() {
    return JSON.stringify(this.cues) !== this.#saved;
  }

  get isValid() {
    return findProblems(this.cues).every((words) => !words);
  }

  get isEmpty() {
    return this.#rows.length === 0;
  }

  // ``saved`` is the stored version that changes are compared with.
  show(cues, saved) {
    this.#saved = JSON.stringify(saved);
    this.#history = [];
    this.#undone = [];
    this.#draw(cues, Math.min(Math.max(0, this.#chosen), cues.length - 1));
  }

  // The server has stored ``sent`` as ``saved``. Later edits and the scroll position are kept.
  applySaved(sent, saved) {
    const isAsSent = JSON.stringify(this.cues) === JSON.stringify(sent);
    this.#saved = JSON.stringify(saved);
    if (!isAsSent || !this.isChanged) {
      this.onChange();
      return;
    }
    const { scrollTop } = this.#container;
    const hadFocus = this.#container.contains(document.activeElement);
    this.#draw(saved, Math.min(this.#chosen, saved.length - 1));
    this.#container.scrollTop = scrollTop;
    if (hadFocus) this.focus();
  }

  showProblem() {
    this.#choose(findProblems(this.cues).findIndex(Boolean));
    this.focus();
  }

  // Focus the selected cue, or the Add button if there is none.
  focus() {
    (this.#rows[this.#chosen]?.text ?? this.#tools.querySelector("[data-act=add]")).focus();
  }

  #wire() {
    const place = this.#container;
    place.addEventListener("input", (event) => this.#onInput(event));
    place.addEventListener("change", (event) => this.#onFieldChange(event));
    place.addEventListener("focusin", ({ target }) => {
      this.#editedField = null;
      this.#choose(this.#indexOf(target));
    });
    place.addEventListener("click", (event) => this.#onClick(event));
    place.addEventListener("keydown", (event) => this.#onKey(event));
    this.#tools.addEventListener("click", ({ target }) => {
      const { act } = target.closest("button")?.dataset ?? {};
      if (act) this.#act(act);
    });
    const video = this.player?.video;
    for (const name of ["timeupdate", "seeked"]) video?.addEventListener(name, () => this.#highlightCurrent());
    for (const made of this.#tools.querySelectorAll("[data-player]")) made.hidden = !video;
  }

  get #moment() {
    return this.player ? Math.round(this.player.video.currentTime * 1000) : -1;
  }

  #indexOf(node) {
    return this.#rows.findIndex(({ row }) => row.contains(node));
  }

  #draw(cues, chosen) {
    this.#rows = cues.map((cue) => buildRow({ ...cue }));
    this.#container.replaceChildren(...this.#rows.map(({ row }) => row));
    this.#chosen = -1;
    this.#current = -1;
    this.#choose(chosen);
    this.#validate();
    this.#highlightCurrent();
  }

  #validate() {
    const problems = findProblems(this.cues);
    this.#rows.forEach(({ row, cue, number, message, fields }, index) => {
      number.textContent = String(index + 1);
      number.setAttribute("aria-label", `Play from caption ${index + 1}`);
      const words = problems[index] || findHint(cue);
      if (message.textContent !== words) message.textContent = words;
      row.classList.toggle("wrong", Boolean(problems[index]));
      for (const field of fields) {
        field.setAttribute("aria-label", `${field.dataset.name} of caption ${index + 1}`);
        field.setAttribute("aria-invalid", String(Boolean(problems[index])));
      }
    });
    this.#showTools();
    this.onChange();
  }

  #showTools() {
    const count = this.#rows.length;
    const able = {
      split: this.#chosen >= 0,
      merge: this.#chosen >= 0 && this.#chosen < count - 1,
      add: true,
      delete: this.#chosen >= 0,
      begin: this.#chosen >= 0,
      end: this.#chosen >= 0,
      undo: this.#history.length > 0,
      redo: this.#undone.length > 0,
    };
    for (const made of this.#tools.querySelectorAll("button")) made.disabled = !able[made.dataset.act];
  }

  #choose(index) {
    if (index === this.#chosen) return;
    this.#rows[this.#chosen]?.row.classList.remove("chosen");
    this.#chosen = index;
    this.#rows[index]?.row.classList.add("chosen");
    this.#showTools();
  }

  #highlightCurrent() {
    const index = indexAt(this.cues, this.#moment);
    if (index === this.#current) return;
    this.#rows[this.#current]?.row.removeAttribute("aria-current");
    this.#current = index;
    const row = this.#rows[index]?.row;
    row?.setAttribute("aria-current", "true");
    // Do not scroll away while the user is typing.
    if (row && !this.#container.contains(document.activeElement)) this.#reveal(row);
  }

  #reveal(row) {
    // Within the list only: scrollIntoView would move the page as well.
    const [top, bottom] = [row.offsetTop, row.offsetTop + row.offsetHeight];
    const { scrollTop, clientHeight } = this.#container;
    if (top < scrollTop || bottom > scrollTop + clientHeight) {
      this.#container.scrollTop = top - (clientHeight - row.offsetHeight) / 2;
    }
  }

  #onInput({ target }) {
    const entry = this.#rows[this.#indexOf(target)];
    if (!entry) return;
    if (this.#editedField !== target) this.#saveUndoState();
    this.#editedField = target;
    if (target === entry.text) entry.cue.text = target.value;
    else entry.cue[target.dataset.member] = parseMoment(target.value);
    this.#validate();
  }

  // Rewrite a typed time in the standard format.
  #onFieldChange({ target }) {
    const moment = target.dataset.member ? parseMoment(target.value) : null;
    if (moment !== null) target.value = formatMoment(moment);
  }

  #onClick({ target }) {
    const index = this.#indexOf(target);
    const cue = this.#rows[index]?.cue;
    if (!cue || !this.player) return;
    const isWithin = this.#moment >= cue.start && this.#moment < cue.end;
    const isNumber = target.closest(".number");
    if (cue.start !== null && (isNumber || !isWithin)) this.player.video.currentTime = cue.start / 1000;
    this.#choose(index);
  }

  #onKey(event) {
    const { key, target } = event;
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand && key === "Enter") this.#act("split");
    // Without Shift, the key deletes a word as usual.
    else if (isCommand && event.shiftKey && key === "Backspace") this.#act("delete");
    else if (event.altKey && key === "ArrowUp") this.#move(-1);
    else if (event.altKey && key === "ArrowDown") this.#move(1);
    else if (target.dataset.member && key === "ArrowUp") this.#nudge(target, NUDGE_MS);
    else if (target.dataset.member && key === "ArrowDown") this.#nudge(target, -NUDGE_MS);
    else return;
    event.preventDefault();
  }

  #move(by) {
    this.#choose(Math.min(this.#rows.length - 1, Math.max(0, this.#chosen + by)));
    this.focus();
  }

  #nudge(field, by) {
    const moment = parseMoment(field.value);
    if (moment === null) return;
    field.value = formatMoment(Math.max(0, moment + by));
    this.#onInput({ target: field });
  }

  #act(name) {
    const cues = this.cues;
    if (name === "undo" || name === "redo") {
      const [from, to] = name === "undo" ? [this.#history, this.#undone] : [this.#undone, this.#history];
      const { cues: others, chosen } = from.pop();
      to.push({ cues, chosen: this.#chosen });
      this.#redraw(others, chosen);
      return;
    }
    const outcome = ACTS[name](cues, this.#chosen, {
      caret: this.#rows[this.#chosen]?.text.selectionStart ?? 0,
      moment: this.#moment,
    });
    if (typeof outcome === "string") {
      announce(outcome);
      this.#rows[this.#chosen]?.message.replaceChildren(outcome);
      return;
    }
    this.#saveUndoState();
    this.#redraw(...outcome);
  }

  // Store the cues before a change.
  #saveUndoState() {
    this.#history = [...this.#history, { cues: this.cues, chosen: this.#chosen }].slice(-MOST_UNDONE);
    this.#undone = [];
  }

  #redraw(cues, chosen) {
    const { scrollTop } = this.#container;
    this.#draw(cues, Math.min(chosen, cues.length - 1));
    this.#container.scrollTop = scrollTop;
    this.focus();
  }
}

// Each returns the new list and its selected index, or a message if it is impossible.
const ACTS = {
  split(cues, at, { caret, moment }) {
    const halves = split(cues[at], caret, moment);
    return halves ? [cues.toSpliced(at, 1, ...halves), at + 1] : "This caption is too short to split.";
  },
  merge: (cues, at) => [cues.toSpliced(at, 2, merge(cues[at], cues[at + 1])), at],
  add(cues, at, { moment }) {
    const found = findGap(cues, moment, at);
    return found
      ? [cues.toSpliced(found.index, 0, found.cue), found.index]
      : "There is no room for a caption here. Shorten this one, or seek to a gap.";
  },
  delete: (cues, at) => [cues.toSpliced(at, 1), at],
  begin: (cues, at, { moment }) => [cues.with(at, { ...cues[at], start: moment }), at],
  end: (cues, at, { moment }) => [cues.with(at, { ...cues[at], end: moment }), at],
};

let rowsBuilt = 0;

function buildRow(cue) {
  const number = element("button", { type: "button", className: "number" });
  const text = element("textarea", { rows: Math.max(1, cue.text.split("\n").length), value: cue.text, spellcheck: true });
  text.dataset.name = "Text";
  const [start, end] = ["start", "end"].map((member) => buildTime(cue, member));
  const message = element("p", { className: "cue-message", id: `cue-message-${rowsBuilt += 1}` });
  const times = element("div", { className: "times" }, start, "–", end);
  const row = element("li", { className: "cue" }, number, times, text, message);
  text.addEventListener("input", () => { text.rows = text.value.split("\n").length; });
  const fields = [start, end, text];
  for (const field of fields) field.setAttribute("aria-describedby", message.id);
  return { row, cue, number, text, message, fields };
}

function buildTime(cue, member) {
  const made = element("input", {
    type: "text", inputMode: "decimal", size: 9, autocomplete: "off",
    value: cue[member] === null ? "" : formatMoment(cue[member]),
  });
  made.dataset.member = member;
  made.dataset.name = member === "start" ? "Beginning" : "End";
  return made;
}
