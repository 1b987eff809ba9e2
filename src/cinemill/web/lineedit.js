// Edits a line of the transcript where it stands, and saves it as a person's caption.

import { getCaptions, saveCaptions } from "./api.js";
import { fromDocument, toDocument } from "./cues.js";
import { announce, button, element } from "./dom.js";
import { isFinal, watchJob } from "./watch.js";

const STALE = "captions_changed";

export class LineEditor {
  #assetId;
  #onSaved;
  #onIndexed;
  #document = null;
  #place;
  #open = null;
  #isSaving = false;
  #stopFollowing = () => {};

  // ``place`` shows what became of the last edit; onSaved(document) is called after every save, and
  // onIndexed() when the job has ended that indexes the words of the last one.
  constructor(place, assetId, { onSaved, onIndexed }) {
    this.#place = place;
    this.#assetId = assetId;
    this.#onSaved = onSaved;
    this.#onIndexed = onIndexed;
    addEventListener("beforeunload", (event) => { if (this.isChanged) event.preventDefault(); });
  }

  // Whether a line has words that are not saved, or not yet.
  get isChanged() {
    return this.#isSaving || (this.#open !== null && this.#open.field.value !== this.#open.cue.text);
  }

  // The captions whose lines are shown; null if there are none.
  setDocument(document) {
    this.#document = document;
    this.#open = null;
  }

  // Opens line ``at``, which ``item`` shows. Another one that is open is closed unless it was changed.
  edit(at, item) {
    if (this.#open) {
      if (this.isChanged) {
        this.#open.field.focus();
        this.#show(this.#open.message, this.#isSaving ? "This line is being saved." : "Save or cancel this line first.");
        return;
      }
      const { cues } = this.#open;
      const list = item.parentElement;
      this.#close();
      const now = this.#find(cues[at]);
      if (now < 0) this.#show(this.#place, "Someone else removed or moved this line.");
      else this.#openLine(now, list.children[now]);
      return;
    }
    this.#openLine(at, item);
  }

  #openLine(at, item) {
    const cues = fromDocument(this.#document);
    const cue = cues[at];
    const message = element("p", { className: "edit-message" });
    const field = element("textarea", { value: cue.text, rows: cue.text.split("\n").length, spellcheck: true });
    field.setAttribute("aria-label", `Text of line ${at + 1}`);
    const form = element("div", { className: "line-form" }, field, element("div", { className: "actions" },
      button("Save", () => this.#save(), "button primary"),
      button("Cancel", () => this.#cancel())), message);
    form.addEventListener("keydown", (event) => this.#onKey(event));
    item.append(form);
    item.classList.add("editing");
    this.#open = { cue, cues, item, form, field, message, version: this.#document.version };
    field.focus();
  }

  // The position of a line in the latest version; −1 if it is gone.
  #find(line) {
    return fromDocument(this.#document).findIndex(({ start, end }) => start === line.start && end === line.end);
  }

  #onKey(event) {
    const isSaved = event.key === "Enter" && !event.shiftKey && event.target === this.#open.field;
    if (isSaved && !event.isComposing) this.#save();
    else if (event.key === "Escape") this.#cancel();
    else return;
    event.preventDefault();
  }

  // What is being saved cannot be taken back.
  #cancel() {
    if (!this.#isSaving) this.#close(true);
  }

  #close(hasFocus = false) {
    const { cue, item, form, version } = this.#open;
    const list = item.parentElement;
    let at = [...list.children].indexOf(item);
    this.#open = null;
    form.remove();
    item.classList.remove("editing");
    // Someone else's version was loaded meanwhile: its lines are new ones.
    if (version !== this.#document.version) {
      this.#onSaved(this.#document);
      const now = this.#find(cue);
      at = now < 0 ? Math.min(at, list.children.length - 1) : now;
    }
    if (hasFocus) list.children[at]?.querySelector(".edit-line").focus();
  }

  async #save() {
    if (this.#isSaving) return;
    if (!this.isChanged) {
      this.#close(true);
      return;
    }
    const edit = this.#open;
    const { field, message } = edit;
    if (!field.value.trim()) {
      this.#show(message, "A line needs some text.");
      return;
    }
    this.#isSaving = true;
    field.readOnly = true;
    try {
      await this.#send(edit);
    } catch (problem) {
      this.#show(message, `${problem.message} ${problem.hint ?? ""}`);
    } finally {
      this.#isSaving = false;
      field.readOnly = false;
    }
  }

  // Other lines may have been saved elsewhere meanwhile: those are kept, and this one is put into them.
  async #send(edit) {
    const { cue } = edit;
    const text = edit.field.value.trim();
    const { language } = this.#document;
    for (;;) {
      const cues = fromDocument(this.#document);
      const at = this.#find(cue);
      if (at < 0) throw new Error("Someone else removed or moved this line. Reload the page to see their version.");
      if (cues[at].text !== cue.text) {
        cue.text = cues[at].text;
        throw new Error(`Someone else changed this line to “${cue.text}”. Save again to replace it.`);
      }
      try {
        const sent = toDocument(cues.with(at, { ...cues[at], text }));
        this.#finish(edit, await saveCaptions(this.#assetId, language, this.#document.version, sent), at);
        return;
      } catch (problem) {
        if (problem.code !== STALE) throw problem;
      }
      this.#document = await getCaptions(this.#assetId, language);
    }
  }

  #finish({ item }, saved, at) {
    const list = item.parentElement;
    this.setDocument(saved);
    this.#onSaved(saved);
    list?.children[at]?.querySelector(".edit-line").focus();
    this.#show(this.#place, saved.job_id ? "Saved. Updating search…" : "Saved.");
    this.#stopFollowing();
    if (saved.job_id) this.#stopFollowing = this.#follow(saved.job_id);
  }

  // Returns a function that stops it: an earlier job says nothing of the words that were saved last.
  #follow(jobId) {
    return watchJob(jobId, {
      onProgress: ({ status, message }) => {
        if (!isFinal(status)) return;
        const isDone = status === "completed";
        this.#onIndexed();
        this.#show(this.#place, isDone
          ? "Saved. Search and answers use the new text."
          : `Saved, but search still uses the old text: ${message}`);
      },
      onLost: () => {},
      onRefused: () => {},
    });
  }

  #show(place, words) {
    place.textContent = words;
    announce(words);
  }
}
