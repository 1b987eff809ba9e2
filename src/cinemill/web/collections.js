// Collections: seen and changed on a video's page, chosen at an upload, and searched in.

import { Problem, listCollections, setCollection } from "./api.js";
import { announce, element } from "./dom.js";

const LONGEST = 255;
let offered = 0;

// Offers the names of collections at a field where another one may be typed. Without them, the field
// works all the same.
async function offerNames(field) {
  offered += 1;
  const list = element("datalist", { id: `collection-names-${offered}` });
  field.setAttribute("list", list.id);
  field.after(list);
  const show = async () => {
    try {
      list.replaceChildren(...(await listCollections()).map(({ name }) => element("option", { value: name })));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
  };
  await show();
  return show;
}

function buildField(value) {
  return element("input", {
    type: "text", name: "collection", value, maxLength: LONGEST, autocomplete: "off", placeholder: "None",
  });
}

// A form with a video's collection, which may be changed.
export function buildCollectionForm({ id, collection }) {
  const field = buildField(collection);
  const save = element("button", { className: "button", textContent: "Save", disabled: true });
  const message = element("p", { className: "collection-message quiet" });
  const form = element("form", { className: "collection-form" },
    element("label", {}, element("span", { textContent: "Collection" }), field), save, message);
  const refresh = offerNames(field);
  let stored = collection;
  let isSaving = false;
  const showState = () => { save.disabled = isSaving || field.value.trim() === stored; };
  field.addEventListener("input", showState);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const sent = field.value.trim();
    // A button that is disabled loses the focus.
    if (document.activeElement === save) field.focus();
    isSaving = true;
    showState();
    try {
      stored = (await setCollection(id, sent)).collection;
      // What was typed meanwhile stays.
      if (field.value.trim() === sent) field.value = stored;
      say(message, stored ? `Saved. Searches of “${stored}” find this video.` : "Saved. This video is in no collection.", false);
      (await refresh)();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      say(message, `${problem.message} ${problem.hint}`, true);
    } finally {
      isSaving = false;
      showState();
    }
  });
  return form;
}

function say(place, words, isBad) {
  place.classList.toggle("bad", isBad);
  place.textContent = words;
  announce(words);
}

// A field of the form for uploads; its value applies to the videos that are chosen next.
export function wireUploadField(field) {
  field.maxLength = LONGEST;
  offerNames(field);
  return () => field.value.trim();
}

// The choice of a collection in the form for searches, hidden as long as there is none. ``value`` is
// the one in the address, which stays chosen even where it has no videos any more.
export class CollectionChoice {
  #place;
  #select;

  constructor(place, select, { onChange }) {
    this.#place = place;
    this.#select = select;
    select.addEventListener("change", onChange);
  }

  // The chosen names: none for all videos.
  get names() {
    return this.#select.value ? [this.#select.value] : [];
  }

  set(name) {
    if (name && ![...this.#select.options].some(({ value }) => value === name)) this.#add(name, name);
    this.#select.value = name;
    this.#place.hidden = this.#select.options.length === 1;
  }

  async load() {
    let found = [];
    try {
      found = await listCollections();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    const chosen = this.#select.value;
    this.#select.replaceChildren(this.#select.options[0]);
    for (const { name, asset_count: count } of found) this.#add(name, `${name} (${count})`);
    this.set(chosen);
  }

  #add(value, textContent) {
    this.#select.append(element("option", { value, textContent }));
  }
}
