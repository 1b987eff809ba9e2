// The caption editor next to the player: follows playback, and saves edits as a person's.

import { discardCorrection, getCaptions, listCaptions, saveCaptions } from "./api.js";
import { announce, button, element, fromTemplate } from "./dom.js";
import { CueList } from "./cuelist.js";
import { fromDocument, toDocument } from "./cues.js";
import { nameLanguage } from "./format.js";
import { sortByPreferredLanguage, trackOf } from "./tracks.js";

// Unsaved edits by video and language, with the version they are based on. They are restored when
// the captions are shown again.
const drafts = new Map();

const isSame = (cues, others) => JSON.stringify(cues) === JSON.stringify(others);

export const hasUnsaved = () => drafts.size > 0;

export class CaptionsEditor {
  #card;
  #list;
  #document = null;
  // The version that the rows are based on; for a draft, it may be older than the current one.
  #base = "";
  #turn = 0;
  #saving = null;

  // ``player`` may be null. onShown(document) is called with captions that are shown,
  // onSaved(document) after every save.
  constructor(place, assetId, captions, { player, onShown, onSaved }) {
    Object.assign(this, { assetId, player, onShown, onSaved });
    place.append(fromTemplate("captions-template"));
    this.#card = place;
    this.#list = new CueList(place.querySelector(".cues"), place.querySelector(".tools"), {
      player,
      onChange: () => this.#showState(),
    });
    this.#wire(captions);
    this.#show(captions[0].language);
  }

  get #key() {
    return `${this.assetId}/${this.#document.language}`;
  }

  #find(name) {
    return this.#card.querySelector(name);
  }

  #wire(captions) {
    const select = this.#find(".language");
    select.append(...captions.map(({ language }) =>
      element("option", { value: language, textContent: nameLanguage(language) })));
    select.disabled = captions.length < 2;
    select.addEventListener("change", () => this.#show(select.value));
    this.#find(".save").addEventListener("click", () => this.#save());
    this.#find(".revert").addEventListener("click", () => this.#revert());
    this.#find(".discard-edits").addEventListener("click", () => this.#discardEdits());
    this.#card.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #onKey(event) {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
    event.preventDefault();
    if (!event.repeat) this.#save();
  }

  async #show(language) {
    const turn = ++this.#turn;
    try {
      // Wait for a save in progress, to load what it stores.
      await this.#saving;
      const document = await getCaptions(this.assetId, language);
      if (turn !== this.#turn) return;
      this.#take(document);
      this.onShown(document);
    } catch (problem) {
      if (turn !== this.#turn) return;
      if (this.#document) this.#find(".language").value = this.#document.language;
      this.#showMessage(problem.message, "bad");
    }
  }

  #take(document) {
    this.#document = document;
    const draft = drafts.get(this.#key);
    const saved = fromDocument(document);
    this.#base = draft?.version ?? document.version;
    this.#list.show(draft?.cues ?? saved, saved);
    if (!this.#list.isChanged) {
      this.#base = document.version;
      this.#showMessage("");
    } else if (this.#base === document.version) {
      this.#showMessage("Your unsaved edits are still here.");
    } else {
      this.#showMessage("Your unsaved edits are still here, but someone else changed the captions in the meantime. "
        + "Which version do you want to keep?", "bad");
      this.#offerVersions();
    }
  }

  #showState() {
    // Keep the focus of keyboard users only; on a phone, focusing a text would open its keyboard.
    const focused = this.#card.querySelector(":focus-visible");
    const isCorrected = this.#document.source === "person";
    const { isChanged, isEmpty } = this.#list;
    if (isChanged) drafts.set(this.#key, { version: this.#base, cues: this.#list.cues });
    else drafts.delete(this.#key);
    this.#find(".source").textContent = isCorrected ? "Edited" : `Auto-generated (Whisper ${this.#document.model})`;
    this.#find(".source").classList.toggle("completed", isCorrected);
    this.#find(".save").disabled = !isChanged;
    this.#find(".revert").hidden = !isChanged;
    this.#find(".discard-edits").hidden = isChanged || !isCorrected || !this.#document.model;
    this.#find(".no-cues").hidden = !isEmpty;
    // Unsaved edits would be missing from the render.
    this.#find(".renders")?.toggleAttribute("inert", isChanged);
    if (focused?.disabled || focused?.hidden) this.#list.focus();
  }

  async #save(version = this.#base) {
    if (!this.#document || (!this.#list.isChanged && version === this.#base)) return;
    if (!this.#list.isValid) {
      this.#showMessage("Some captions cannot be saved yet. The first one is selected.", "bad");
      this.#list.showProblem();
      return;
    }
    const { language } = this.#document;
    const sent = toDocument(this.#list.cues);
    await this.#saveOnce(() => saveCaptions(this.assetId, language, version, sent),
      "Saved. The player shows the new captions.");
  }

  async #discardEdits() {
    const { language, version } = this.#document;
    await this.#saveOnce(async () => {
      await discardCorrection(this.assetId, language, version);
      return getCaptions(this.assetId, language);
    }, "Edits discarded. The auto-generated captions are shown again.");
  }

  // One save at a time, so that a second one does not conflict with the first.
  async #saveOnce(act, words) {
    if (this.#saving) return;
    this.#saving = this.#runSave(act, words);
    await this.#saving;
    this.#saving = null;
  }

  async #runSave(act, words) {
    const [key, sent] = [this.#key, this.#list.cues];
    try {
      this.#applySaved(key, sent, await act(), words);
      this.player?.setCaptions(sortByPreferredLanguage(await listCaptions(this.assetId)).map(trackOf));
      this.onSaved(this.#document);
    } catch (problem) {
      this.#showState();
      const isStale = problem.code === "captions_changed" && key === this.#key;
      this.#showMessage(`${problem.message} ${isStale ? "Which version do you want to keep?" : problem.hint}`, "bad");
      if (isStale) this.#offerVersions();
    }
  }

  // The server has stored ``sent`` as ``saved``; later edits remain a draft based on that.
  #applySaved(key, sent, saved, words) {
    const draft = drafts.get(key);
    if (draft && isSame(draft.cues, sent)) drafts.delete(key);
    else if (draft) drafts.set(key, { ...draft, version: saved.version });
    // Another language may have been selected meanwhile.
    if (key !== this.#key) return;
    this.#document = saved;
    this.#base = saved.version;
    this.#list.applySaved(sent, fromDocument(saved));
    if (this.#list.isChanged) this.#showMessage("Saved, except for edits made while saving.");
    else this.#showMessage(words, "good");
  }

  // Someone else has saved: offer to load their version or to replace it.
  #offerVersions() {
    const { language } = this.#document;
    this.#find(".editor-message").append(element("span", { className: "actions" },
      button("Load their version", () => {
        drafts.delete(this.#key);
        this.#show(language);
      }),
      button("Replace with mine", () => this.#save("*"))));
  }

  #revert() {
    const saved = fromDocument(this.#document);
    this.#base = this.#document.version;
    this.#list.show(saved, saved);
    this.#showMessage("Unsaved edits discarded.");
  }

  #showMessage(words, kind = "") {
    const place = this.#find(".editor-message");
    const hadFocus = place.querySelector(":focus-visible") !== null;
    place.className = `editor-message ${kind}`;
    place.textContent = words;
    announce(words);
    if (hadFocus) this.#list.focus();
  }
}
