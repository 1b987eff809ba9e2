// Deleted videos: each can be brought back for ten seconds, also after a reload and in other tabs. The
// server keeps the time, so that nothing here has to be open when it is over.

import { deleteAsset, listDeletedAssets, restoreAsset } from "./api.js";
import { announce, button, drawing, element, find } from "./dom.js";

const UNDO_SECONDS = 10;
const TICK_MS = 250;

export class Deletions {
  #place = element("section", { className: "notes" });
  // By the video's id: its note, its name, and when it ends by this page's clock.
  #notes = new Map();
  #channel = new BroadcastChannel("cinemill-deletions");
  // Ids of those whose time is over here, while the server still lists them.
  #over = new Set();
  #timer = 0;
  // Counts changes made here, to drop lists that were requested before them.
  #turn = 0;

  // onDeleted(assetId), onRestored(assetId), onGone(assetId): each once, wherever it was done.
  constructor({ onDeleted = () => {}, onRestored = () => {}, onGone = () => {} } = {}) {
    Object.assign(this, { onDeleted, onRestored, onGone });
    this.#place.setAttribute("aria-label", "Deleted videos");
    this.#place.hidden = true;
    document.body.append(this.#place);
    this.#channel.addEventListener("message", () => this.refresh());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.refresh(); });
  }

  isDeleted(assetId) {
    return this.#notes.has(assetId);
  }

  // Deletes a video, and offers to undo it.
  async remove(assetId, name) {
    this.#turn += 1;
    try {
      const left = await deleteAsset(assetId, UNDO_SECONDS);
      this.#add(assetId, name, left?.deleted_in_seconds ?? 0);
    } catch (problem) {
      this.#complain(name, problem);
      return;
    }
    this.#tell();
    this.#notes.get(assetId)?.note.querySelector("button").focus({ preventScroll: true });
    announce(`${name} is deleted. This can be undone for ${UNDO_SECONDS} seconds.`);
  }

  // Shows what is being deleted by now, whoever asked for it.
  async refresh() {
    const turn = this.#turn;
    let listed;
    try {
      listed = await listDeletedAssets();
    } catch {
      return; // The page reports lost connections; the notes end by themselves.
    }
    if (turn !== this.#turn) return;
    const left = new Map(listed.map((asset) => [asset.id, asset]));
    for (const id of this.#over) if (!left.has(id)) this.#over.delete(id);
    for (const { id, filename, deleted_in_seconds: seconds } of listed) {
      if (seconds > 0 && !this.#over.has(id)) this.#add(id, filename, seconds);
    }
    for (const [id, { endsAt }] of this.#notes) {
      // A video that is missing was restored elsewhere, unless its time is over.
      if (!left.has(id) && performance.now() < endsAt) this.#end(id, this.onRestored);
    }
  }

  #add(assetId, name, seconds) {
    if (this.#notes.has(assetId)) return;
    const time = element("span", { className: "numbers" });
    time.setAttribute("aria-hidden", "true");
    const undo = button("Undo", () => this.#undo(assetId), "button");
    undo.setAttribute("aria-label", `Undo: delete ${name}`);
    const note = element("div", { className: "note" },
      element("p", {}, element("strong", { textContent: name, title: name }), " is deleted."), time, undo);
    const endsAt = performance.now() + 1000 * Math.min(seconds, UNDO_SECONDS);
    this.#notes.set(assetId, { note, name, time, endsAt });
    this.#place.append(note);
    this.#place.hidden = false;
    // Before the note can end: a deletion that cannot be undone is over at once.
    this.onDeleted(assetId);
    this.#tick();
  }

  #tick() {
    clearTimeout(this.#timer);
    for (const [id, { time, endsAt, isUndone }] of this.#notes) {
      const seconds = (endsAt - performance.now()) / 1000;
      time.textContent = `${Math.max(0, Math.ceil(seconds))} s`;
      // Whether an undo that is under way came in time, the server says.
      if (seconds > 0 || isUndone) continue;
      this.#over.add(id);
      this.#end(id, this.onGone);
    }
    if (this.#notes.size) this.#timer = setTimeout(() => this.#tick(), TICK_MS);
  }

  async #undo(assetId) {
    this.#turn += 1;
    const shown = this.#notes.get(assetId);
    const { name, note } = shown;
    note.querySelector("button").disabled = true;
    shown.isUndone = true;
    try {
      await restoreAsset(assetId);
    } catch (problem) {
      this.#complain(name, problem);
      if (!problem.isRetryable) this.#end(assetId, this.onGone);
      note.querySelector("button").disabled = false;
      shown.isUndone = false;
      return;
    }
    announce(`${name} is back.`);
    this.#end(assetId, this.onRestored);
    this.#tell();
  }

  #end(assetId, report) {
    const ended = this.#notes.get(assetId);
    if (!ended) return;
    this.#notes.delete(assetId);
    this.#takeAway(ended.note, ended.isUndone);
    report(assetId);
  }

  // The focus stays in the page when the note with it goes; whoever is elsewhere is left there. A button
  // that was pressed may have no focus: it is disabled, or the browser gives clicked ones none.
  #takeAway(note, isPressed = false) {
    const hadFocus = note.contains(document.activeElement)
      || (isPressed && document.activeElement === document.body);
    note.remove();
    this.#place.hidden = !this.#place.childElementCount;
    if (hadFocus) find("main").focus({ preventScroll: true });
  }

  // Stays until it is dismissed: a list that is loaded again would hide a banner.
  #complain(name, { message, hint }) {
    const note = element("div", { className: "note bad", role: "alert" },
      element("p", {}, element("strong", { textContent: `${name}: ` }), `${message} ${hint}`));
    note.append(button("Dismiss", () => this.#takeAway(note, true), "button"));
    this.#place.append(note);
    this.#place.hidden = false;
  }

  #tell() {
    this.#turn += 1;
    this.#channel.postMessage("changed");
  }
}

// A button for this video.
export function deleteButton(name, act) {
  const made = element("button", { type: "button", className: "icon-button delete", title: "Delete" },
    drawing("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" },
      drawing("path", { d: "M4.5 7h15M10 11v5.5M14 11v5.5M6.5 7l.8 11.2a1.5 1.5 0 0 0 1.5 1.3h6.4a1.5 1.5 0 0 0 1.5-1.3L17.5 7M9 7V5.5A1.5 1.5 0 0 1 10.5 4h3A1.5 1.5 0 0 1 15 5.5V7" })));
  made.setAttribute("aria-label", `Delete ${name}`);
  made.addEventListener("click", () => act(made));
  return made;
}
