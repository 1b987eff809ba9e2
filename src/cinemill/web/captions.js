// The captions beside the player: read along, corrected in place, saved as a person's.

import { discardCorrection, getCaptions, listCaptions, saveCaptions } from "./api.js";
import { announce, button, element, fromTemplate } from "./dom.js";
import { CueList } from "./cuelist.js";
import { fromDocument, toDocument } from "./cues.js";
import { nameLanguage } from "./format.js";

// What was not saved, by the captions that it was made in: it is there again when they are shown.
const drafts = new Map();

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

  // ``player`` may be null; onShown(document) is told of what is shown, onSaved(document) of every
  // change that is kept.
  constructor(place, assetId, captions, { player, onShown, onSaved }) {
    Object.assign(this, { assetId, player, onShown, onSaved });
    place.append(fromTemplate("captions-template"));
    this.#card = place;
    this.#list = new CueList(place.querySelector(".cues"), place.querySelector(".tools"), {
      player,
      onChange: () => this.#showState(),
      onSave: () => this.#save(),
    });
    this.#wire(captions);
    this.#show(captions[0].language);
  }

  get #key() {
    return `${this.assetId}/${this.#document.language}/${this.#document.version}`;
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
  }

  async #show(language) {
    try {
      this.#take(await getCaptions(this.assetId, language));
      this.onShown(this.#document);
    } catch (problem) {
      this.#tell(problem.message, "bad");
    }
  }

  #take(document) {
    this.#document = document;
    const draft = drafts.get(this.#key);
    const saved = fromDocument(document);
    this.#list.show(draft ?? saved, saved);
    this.#tell(draft ? "Your changes from before; they are not saved yet." : "");
    this.#showState();
  }

  #showState() {
    const isCorrected = this.#document.source === "person";
    const { isChanged, isEmpty } = this.#list;
    if (isChanged) drafts.set(this.#key, this.#list.cues);
    else drafts.delete(this.#key);
    this.#find(".source").textContent = isCorrected ? "Corrected" : `Heard by ${this.#document.model}`;
    this.#find(".source").classList.toggle("completed", isCorrected);
    this.#find(".save").disabled = !isChanged;
    this.#find(".revert").hidden = !isChanged;
    this.#find(".take-back").hidden = isChanged || !isCorrected || !this.#document.model;
    this.#find(".no-cues").hidden = !isEmpty;
    // What is not saved would not be in the render.
    this.#find(".renders")?.toggleAttribute("inert", isChanged);
  }

  async #save(version = this.#document.version) {
    if (!this.#list.isChanged && version === this.#document.version) return;
    if (!this.#list.isSound) {
      this.#tell("Some captions cannot be saved yet; the first is shown.", "bad");
      this.#list.showProblem();
      return;
    }
    const { language } = this.#document;
    await this.#keep(async () => {
      const saved = await saveCaptions(this.assetId, language, version, toDocument(this.#list.cues));
      drafts.delete(this.#key);
      return saved;
    }, "Saved. The player shows them now.");
  }

  async #takeBack() {
    const { language, version } = this.#document;
    await this.#keep(async () => {
      await discardCorrection(this.assetId, language, version);
      return getCaptions(this.assetId, language);
    }, "The captions are as the model heard them again.");
  }

  async #keep(act, words) {
    this.#find(".save").disabled = true;
    try {
      const document = await act();
      this.#list.hold(() => this.#take(document));
      this.#tell(words, "good");
      this.player?.setCaptions(sortByTongue(await listCaptions(this.assetId)).map(trackOf));
      this.onSaved(document);
    } catch (problem) {
      this.#showState();
      const isStale = problem.code === "captions_changed";
      this.#tell(`${problem.message} ${isStale ? "Whose shall hold?" : problem.wayOn}`, "bad");
      if (isStale) this.#offerWayOut();
    }
  }

  // Somebody was quicker: theirs, or mine in place of theirs.
  #offerWayOut() {
    const { language } = this.#document;
    this.#find(".told").append(element("span", { className: "actions" },
      button("Load theirs", () => {
        drafts.delete(this.#key);
        this.#show(language);
      }),
      button("Put mine in their place", () => this.#save("*"))));
  }

  #revert() {
    drafts.delete(this.#key);
    const saved = fromDocument(this.#document);
    this.#list.show(saved, saved);
    this.#tell("Back to what was saved.");
    this.#showState();
  }

  #tell(words, kind = "") {
    const place = this.#find(".told");
    place.className = `told ${kind}`;
    place.textContent = words;
    announce(words);
  }
}
