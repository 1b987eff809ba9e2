// Reviews of an analysis by people: the audit trail, and a form to add to it.

import { addReview, listReviews } from "./api.js";
import { announce, element } from "./dom.js";
import { nameVerdict } from "./findings.js";
import { formatWhen } from "./format.js";
import { describeReview } from "./verdict.js";

const ACTIONS = [
  ["accept", "Agree with the model"],
  ["override", "Decide otherwise"],
  ["flag", "Ask for another look"],
];
const OWN_VERDICTS = ["likely_manipulated", "no_manipulation_found", "inconclusive"];
const NAME_KEY = "cinemill-reviewer";

export class ReviewPanel {
  #analysisId;
  #seen = 0;
  #trail = element("ol", { className: "trail" });
  #empty = element("p", { className: "quiet", textContent: "Nobody has reviewed this analysis yet." });
  #message = element("p", { className: "form-message" });

  // ``onReviewed`` is called when an entry was added, or somebody else has added one.
  constructor(place, analysisId, { onReviewed }) {
    this.#analysisId = analysisId;
    this.onReviewed = onReviewed;
    this.#message.setAttribute("role", "alert");
    place.replaceChildren(
      element("h3", { textContent: "Reviews by people" }),
      element("p", { className: "quiet", textContent: "A review is added to the trail and never changes the model’s own verdict and score." }),
      this.#trail, this.#empty, this.#buildForm());
  }

  async refresh() {
    const reviews = await listReviews(this.#analysisId);
    this.#seen = reviews.at(-1)?.id ?? 0;
    this.#trail.replaceChildren(...reviews.map(buildEntry));
    this.#trail.hidden = reviews.length === 0;
    this.#empty.hidden = reviews.length > 0;
  }

  #buildForm() {
    const form = element("form", { className: "review-form" });
    const verdict = labelled("Your verdict", element("select", { name: "verdict" },
      ...OWN_VERDICTS.map((value) => element("option", { value, textContent: nameVerdict(value) }))));
    const name = element("input", { name: "reviewer", required: true, maxLength: 255, autocomplete: "name", value: readName() });
    const reason = element("textarea", { name: "reason", required: true, maxLength: 4000, rows: 3 });
    const send = element("button", { className: "button primary", textContent: "Add review" });
    form.append(buildActions(), verdict, labelled("Your name", name), labelled("Reason", reason), this.#message, send);
    const showFields = () => { verdict.hidden = form.elements.action.value !== "override"; };
    form.addEventListener("change", showFields);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(form, send);
    });
    showFields();
    return form;
  }

  async #send(form, button) {
    const { action, verdict, reviewer, reason } = Object.fromEntries(new FormData(form));
    const words = { action, reviewer, reason };
    const choice = action === "override" ? { verdict } : {};
    const seen = action === "flag" ? {} : { seen: this.#seen };
    button.disabled = true;
    try {
      await addReview(this.#analysisId, { ...words, ...choice, ...seen });
      keepName(reviewer);
      form.elements.reason.value = "";
      this.#message.textContent = "";
      announce("Review added");
      await this.onReviewed();
    } catch (problem) {
      this.#message.textContent = `${problem.message} ${problem.hint ?? ""}`.trim();
      // Show what the person has not seen, so that the next attempt is an informed one.
      if (problem.code === "review_conflict") await this.refresh().catch(() => {});
    } finally {
      button.disabled = false;
    }
  }
}

function buildActions() {
  return element("fieldset", {}, element("legend", { textContent: "Your decision" }),
    ...ACTIONS.map(([value, words], at) => element("label", { className: "choice" },
      element("input", { type: "radio", name: "action", value, checked: at === 0 }), words)));
}

function labelled(words, field) {
  return element("label", { className: "field" }, element("span", { textContent: words }), field);
}

function buildEntry(review) {
  return element("li", {},
    element("p", { className: "entry", textContent: describeReview(review) }),
    element("p", { className: "reason", textContent: review.reason }),
    element("time", { className: "faint", dateTime: review.created_at, textContent: formatWhen(review.created_at) }));
}

// The name is kept for the next review; without storage, it is typed again.
function readName() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

function keepName(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch { /* Private windows may have no storage. */ }
}
