// A conversation: questions, and answers with the moments that they rest on.

import { Problem, ask, problemFromDocument } from "./api.js";
import { announce, button, element, setBar } from "./dom.js";
import { buildMoment } from "./moments.js";

const MARKS = /(?:\[\d+\])+\s*$/;
const NEAREST = 3;
const ABSTENTIONS = {
  "nothing-found": "Nothing was found that has to do with this question.",
  "not-relevant": "The videos do not answer this question, as far as what was found in them shows.",
  "not-supported": "An answer was written, but the videos do not support it, so it is not shown.",
};

// Splits "… said so.[1][3]" into its words and the numbers of its citations.
export function parseStatement(line) {
  const marks = MARKS.exec(line)?.[0] ?? "";
  const words = line.slice(0, line.length - marks.length).trim();
  return { words, numbers: [...marks.matchAll(/\d+/g)].map(Number) };
}

// How an answer came about, in a sentence.
export function describeAnswer({ mode, abstained, abstain_reason: reason, model, model_error: error }) {
  if (abstained) return `No answer. ${ABSTENTIONS[reason] ?? "The system abstains."}`;
  const words = mode === "generated"
    ? `Written by the language model ${model}; each statement was checked against the moments below.`
    : "Quoted: sentences from the videos, word for word, without a language model.";
  return error ? `${words} The language model did not finish (${error}).` : words;
}

export class Thread {
  #place;
  #conversation = null;
  #stopped = new AbortController();

  // ``onBusy(isBusy)`` is called when an answer begins and ends.
  constructor(place, { onBusy }) {
    this.#place = place;
    this.onBusy = onBusy;
  }

  // Forgets the conversation; the next question begins another.
  clear() {
    this.#stopped.abort();
    this.#conversation = null;
    this.#place.replaceChildren();
  }

  // Returns whether the question got its answer, or was stopped; not where it failed. Only videos of
  // these collections are asked; of all where the list is empty.
  async ask(question, collections) {
    const stopped = new AbortController();
    this.#stopped = stopped;
    const turn = new Turn(question, () => stopped.abort());
    this.#place.append(turn.entry);
    turn.entry.scrollIntoView({ block: "nearest" });
    this.onBusy(true);
    try {
      for await (const { name, data } of ask(question, this.#conversation, collections, stopped.signal)) {
        if (name === "error") throw problemFromDocument(data);
        turn.show(name, data);
        if (name === "done") this.#conversation = data.conversation_id ?? null;
      }
      turn.end(stopped.signal.aborted);
      return true;
    } catch (problem) {
      if (stopped.signal.aborted) {
        turn.end(true);
        return true;
      }
      if (!(problem instanceof Problem)) throw problem;
      turn.fail(problem);
      return false;
    } finally {
      if (this.#stopped === stopped) this.onBusy(false);
    }
  }
}

class Turn {
  #question;
  #status = element("p", { className: "quiet", textContent: "Searching the videos …" });
  #bar = element("div", { className: "bar" }, element("div", { className: "bar-fill" }));
  #answer = element("div", { className: "answer" });
  #moments = element("ol", { className: "moments" });
  #nearest = [];
  #isDone = false;
  #stop;

  constructor(question, onStop) {
    this.#question = question;
    setBar(this.#bar, null);
    this.#bar.setAttribute("role", "progressbar");
    this.#bar.setAttribute("aria-label", "Answer");
    this.#stop = button("Stop", onStop, "button quiet-button");
    this.entry = element("li", { className: "turn" },
      element("div", { className: "card-head" }, element("h2", { textContent: question }), this.#stop),
      this.#answer, this.#status, this.#bar, this.#moments);
  }

  show(name, data) {
    if (name === "rewriting") this.#status.textContent = "Completing the question from the conversation …";
    else if (name === "retrieval") this.#showRetrieval(data);
    else if (name === "delta") this.#addStatements(data.text);
    else if (name === "citations") this.#showCitations(data.citations);
    else if (name === "done") this.#showEnd(data);
  }

  end(isStopped) {
    this.#bar.remove();
    this.#stop.remove();
    if (this.#isDone) return;
    this.#status.textContent = isStopped ? "Stopped." : "The connection ended before the answer did. Ask again.";
  }

  fail({ message, hint, code }) {
    this.#bar.remove();
    this.#stop.remove();
    this.#status.className = "turn-problem";
    this.#status.setAttribute("role", "alert");
    this.#status.textContent = `${message} ${hint} (${code})`;
  }

  #showRetrieval({ moments, question, is_follow_up: isFollowUp }) {
    this.#nearest = moments.slice(0, NEAREST);
    const searched = isFollowUp && question !== this.#question ? `Understood as “${question}”. ` : "";
    const count = moments.length === 1 ? "1 moment" : `${moments.length} moments`;
    this.#status.textContent = `${searched}Reading ${count} …`;
  }

  #addStatements(text) {
    const lines = text.split("\n").filter((line) => line.trim());
    this.#answer.append(...lines.map((line) => {
      const { words, numbers } = parseStatement(line);
      return element("p", {}, words, ...numbers.map((number) => this.#citation(number)));
    }));
  }

  // Goes to the moment below, which plays while it has the focus.
  #citation(number) {
    const made = button(String(number), () => this.#moments.children[number - 1]?.querySelector("a").focus(), "citation");
    made.setAttribute("aria-label", `Play moment ${number}`);
    return made;
  }

  #showCitations(citations) {
    const query = this.#question;
    this.#moments.replaceChildren(...citations.map((one, at) => buildMoment(one, { query, number: at + 1 })));
  }

  #showEnd(done) {
    this.#isDone = true;
    this.#answer.classList.toggle("quoted", done.mode === "extractive");
    const words = describeAnswer(done);
    const searched = done.is_follow_up && done.question !== this.#question ? ` Understood as “${done.question}”.` : "";
    this.#status.textContent = `${words}${searched}`;
    if (done.abstained && this.#nearest.length) {
      this.#status.textContent += " The nearest moments are:";
      this.#moments.replaceChildren(...this.#nearest.map((one) => buildMoment(one, { query: this.#question })));
    }
    announce(done.abstained ? words : `Answered. ${words}`);
  }
}
