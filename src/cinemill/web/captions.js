// The captions beside the player: read along, corrected in place, saved as a person's.

import { discardCorrection, getCaptions, listCaptions, saveCaptions } from "./api.js";
import { announce, button, element, fromTemplate } from "./dom.js";
import { CueList } from "./cuelist.js";
import { fromDocument, toDocument } from "./cues.js";
import { nameLanguage } from "./format.js";

// What was not saved, by film and language, with the version that it was made in: it is there again
// when they are shown.
const drafts = new Map();

const isSame = (cues, others) => JSON.stringify(cues) === JSON.stringify(others);

export const hasUnsaved = () => drafts.size > 0;

// The reader's own language first, as the browser has it.
export function sortByTongue(captions) {
  const spoken = navigator.languages.map((tag) => tag.split("-")[0]);
  const place = ({ language }) => (spoken.indexOf(language.split("-")[0]) + spoken.length + 1) % (spoken.length + 1);
  return captions.toSorted((a, b) => place(a) - place(b));
}

export const trackOf = ({ language, version, files }) => ({
  // A browser keeps files for a while: another version is another address.
  language, url: `${files.vtt.url}&version=${version}`,
});

export class CaptionsEditor {
  #card;
  #list;
  #document = null;
  // The version that the rows were made in: that of a draft may be older than what is there now.
  #base = "";
  #turn = 0;
  #underWay = null;

  // ``player`` may be null; onShown(document) is told of what is shown, onSaved(document) of every
  // change that is kept.
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
    const tongues = this.#find(".tongue");
    tongues.append(...captions.map(({ language }) =>
      element("option", { value: language, textContent: nameLanguage(language) })));
    tongues.disabled = captions.length < 2;
    tongues.addEventListener("change", () => this.#show(tongues.value));
    this.#find(".save").addEventListener("click", () => this.#save());
    this.#find(".revert").addEventListener("click", () => this.#revert());
    this.#find(".take-back").addEventListener("click", () => this.#takeBack());
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
      // What is being saved is to be read as it will be.
      await this.#underWay;
      const document = await getCaptions(this.assetId, language);
      if (turn !== this.#turn) return;
      this.#take(document);
      this.onShown(document);
    } catch (problem) {
      if (turn !== this.#turn) return;
      if (this.#document) this.#find(".tongue").value = this.#document.language;
      this.#tell(problem.message, "bad");
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
      this.#tell("");
    } else if (this.#base === document.version) {
      this.#tell("Your unsaved edits are still here.");
    } else {
      this.#tell("Your unsaved edits are still here, but someone else changed the captions in the meantime. "
        + "Which version do you want to keep?", "bad");
      this.#offerWayOut();
    }
  }

  #showState() {
    // Somebody at the keys keeps a place; on a phone, focus in a text would call its keyboard.
    const focused = this.#card.querySelector(":focus-visible");
    const isCorrected = this.#document.source === "person";
    const { isChanged, isEmpty } = this.#list;
    if (isChanged) drafts.set(this.#key, { version: this.#base, cues: this.#list.cues });
    else drafts.delete(this.#key);
    this.#find(".source").textContent = isCorrected ? "Edited" : `Auto-generated (Whisper ${this.#document.model})`;
    this.#find(".source").classList.toggle("completed", isCorrected);
    this.#find(".save").disabled = !isChanged;
    this.#find(".revert").hidden = !isChanged;
    this.#find(".take-back").hidden = isChanged || !isCorrected || !this.#document.model;
    this.#find(".no-cues").hidden = !isEmpty;
    // What is not saved would not be in the render.
    this.#find(".renders")?.toggleAttribute("inert", isChanged);
    if (focused?.disabled || focused?.hidden) this.#list.focus();
  }

  async #save(version = this.#base) {
    if (!this.#document || (!this.#list.isChanged && version === this.#base)) return;
    if (!this.#list.isSound) {
      this.#tell("Some captions cannot be saved yet. The first one is selected.", "bad");
      this.#list.showProblem();
      return;
    }
    const { language } = this.#document;
    const sent = toDocument(this.#list.cues);
    await this.#keep(() => saveCaptions(this.assetId, language, version, sent),
      "Saved. The player shows the new captions.");
  }

  async #takeBack() {
    const { language, version } = this.#document;
    await this.#keep(async () => {
      await discardCorrection(this.assetId, language, version);
      return getCaptions(this.assetId, language);
    }, "Edits discarded. The auto-generated captions are shown again.");
  }

  // One at a time: whoever saves twice is not to be told of a conflict with themselves.
  async #keep(act, words) {
    if (this.#underWay) return;
    this.#underWay = this.#carryOut(act, words);
    await this.#underWay;
    this.#underWay = null;
  }

  async #carryOut(act, words) {
    const [key, sent] = [this.#key, this.#list.cues];
    try {
      this.#settle(key, sent, await act(), words);
      this.player?.setCaptions(sortByTongue(await listCaptions(this.assetId)).map(trackOf));
      this.onSaved(this.#document);
    } catch (problem) {
      this.#showState();
      const isStale = problem.code === "captions_changed" && key === this.#key;
      this.#tell(`${problem.message} ${isStale ? "Which version do you want to keep?" : problem.hint}`, "bad");
      if (isStale) this.#offerWayOut();
    }
  }

  // What was sent is kept now, as ``saved`` has it; what was written since then is a draft made in that.
  #settle(key, sent, saved, words) {
    const draft = drafts.get(key);
    if (draft && isSame(draft.cues, sent)) drafts.delete(key);
    else if (draft) drafts.set(key, { ...draft, version: saved.version });
    // Another language may be shown by now.
    if (key !== this.#key) return;
    this.#document = saved;
    this.#base = saved.version;
    this.#list.settle(sent, fromDocument(saved));
    if (this.#list.isChanged) this.#tell("Saved, except for edits made while saving.");
    else this.#tell(words, "good");
  }

  // Somebody was quicker: theirs, or mine in place of theirs.
  #offerWayOut() {
    const { language } = this.#document;
    this.#find(".told").append(element("span", { className: "actions" },
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
    this.#tell("Unsaved edits discarded.");
  }

  #tell(words, kind = "") {
    const place = this.#find(".told");
    const hadFocus = place.querySelector(":focus-visible") !== null;
    place.className = `told ${kind}`;
    place.textContent = words;
    announce(words);
    if (hadFocus) this.#list.focus();
  }
}
