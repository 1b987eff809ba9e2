// The one film that is looked at: its progress, its error, or its result.

import { cancelJob, getStatus, Problem, retryJob } from "./api.js";
import { announce, button, find, fromTemplate, setBar, showTaskId } from "./dom.js";
import { followEarly, goOn, placeIn } from "./early.js";
import { formatSeconds } from "./format.js";
import { showResult } from "./result.js";
import { isFinal, watchJob } from "./watch.js";

const LOST_WORDS = "Connection lost. Reconnecting …";
const TRY_AGAIN_MS = 3000;
const STAGES = {
  intake: "Importing the video",
  probe: "Inspecting the video",
  prepare: "Encoding the preview copy, thumbnails and audio",
};

export class TaskView {
  #place = find("task");
  #stop = () => {};
  #taskId = "";
  #name = "Video";
  #before = null;
  #later = 0;
  // Counts selections: an answer that comes after the user has moved on is dropped.
  #turn = 0;

  // onChange(taskId, progress), onChooseAnother(), onProblem(problem), nameOf(job)
  constructor(doors) {
    Object.assign(this, doors);
    this.status = "";
  }

  get isBusy() {
    return Boolean(this.#taskId) && !isFinal(this.status);
  }

  async show(taskId) {
    if (taskId === this.#taskId) return;
    const turn = this.#begin(taskId);
    if (!taskId) {
      this.#place.hidden = true;
      return;
    }
    await this.#load(turn);
  }

  async #load(turn) {
    clearTimeout(this.#later);
    try {
      const job = await getStatus(this.#taskId);
      const name = await this.nameOf(job);
      if (turn !== this.#turn) return;
      this.#name = name;
      if (isFinal(job.status)) await this.#finish(job);
      else this.#follow(job);
    } catch (problem) {
      if (turn === this.#turn) this.#showLookupProblem(problem);
    }
  }

  #begin(taskId) {
    this.#stop();
    clearTimeout(this.#later);
    this.#turn += 1;
    this.#taskId = taskId;
    this.#before = null;
    this.status = "";
    this.#place.replaceChildren();
    return this.#turn;
  }

  #follow(job) {
    this.status = job.status;
    const card = fromTemplate("progress-template").firstElementChild;
    card.querySelector(".name").textContent = this.#name;
    showTaskId(card.querySelector(".task-id"), this.#taskId);
    const cancel = card.querySelector(".stop");
    cancel.addEventListener("click", () => this.#cancel(cancel));
    this.#place.replaceChildren(card);
    this.#place.hidden = false;
    this.#showProgress(card, job);
    const lookEarly = followEarly(card, job);
    lookEarly();
    const turn = this.#turn;
    this.#stop = watchJob(this.#taskId, {
      onProgress: (progress) => {
        lookEarly();
        this.#onProgress(card, progress, turn);
      },
      onLost: () => {
        card.querySelector(".words").textContent = LOST_WORDS;
      },
    });
  }

  #onProgress(card, progress, turn) {
    this.onChange(this.#taskId, progress);
    this.status = progress.status;
    if (!isFinal(progress.status)) {
      this.#showProgress(card, progress);
      return;
    }
    this.#load(turn);
  }

  #showProgress(card, { status, progress, message, stage, seconds_left: left, queue_place: place }) {
    const waiting = status === "pending";
    const words = STAGES[stage] && !waiting ? STAGES[stage] : message || "Waiting in the queue";
    setBar(card.querySelector(".bar"), waiting ? 0 : progress);
    card.querySelector(".words").textContent = words;
    const numbers = [`${Math.floor(progress)}%`];
    if (left != null) numbers.push(`about ${formatSeconds(left)} left`);
    card.querySelector(".numbers").textContent = waiting ? "" : numbers.join(" · ");
    // Events do not always tell it: the last place that was told holds.
    this.#before = waiting ? (place ?? this.#before) : null;
    card.querySelector(".queue").textContent = placeWords(this.#before);
    announce(words);
    document.title = waiting ? "Waiting – Cinemill" : `${Math.floor(progress)}% – Cinemill`;
  }

  async #cancel(button) {
    button.disabled = true;
    button.textContent = "Cancelling …";
    try {
      await cancelJob(this.#taskId, "Cancelled from the web page");
    } catch (problem) {
      button.disabled = false;
      button.textContent = "Cancel";
      announce(problem.message);
    }
  }

  async #finish(job) {
    this.#stop();
    this.status = job.status;
    document.title = "Cinemill";
    if (job.status !== "completed") {
      this.#showFailure(job);
      return;
    }
    const turn = this.#turn;
    const card = fromTemplate("result-template").firstElementChild;
    try {
      await showResult(card, job, this.#name, {
        onMade: (taskId) => { location.hash = `task=${encodeURIComponent(taskId)}`; },
        onProblem: (problem) => this.onProblem(problem),
        comeBackAfter: (taskId) => this.#comeBackAfter(taskId, turn),
      });
    } catch (problem) {
      if (turn === this.#turn) this.#showLookupProblem(problem);
      return;
    }
    if (turn !== this.#turn) return;
    const place = placeIn(this.#place.querySelector("video"));
    this.#settle(card, `${this.#name} is done`);
    goOn(card.querySelector("video"), place);
  }

  #comeBackAfter(taskId, turn) {
    if (turn !== this.#turn) return;
    const comeBack = () => {
      if (turn !== this.#turn) return;
      // Whoever writes is not interrupted.
      const isWriting = this.#place.querySelector(".captions")?.contains(document.activeElement);
      if (isWriting) this.#later = setTimeout(comeBack, TRY_AGAIN_MS);
      else this.#load(turn);
    };
    this.#stop = watchJob(taskId, {
      onProgress: ({ status }) => { if (isFinal(status)) comeBack(); },
      onLost: () => {},
    });
  }

  #showFailure(job) {
    const wasCancelled = job.status === "cancelled";
    const problem = wasCancelled
      ? { code: "cancelled", detail: job.cancel_reason || "The job was cancelled.", hint: "" }
      : { ...job.error, detail: job.error?.message };
    const card = this.#buildError({
      kicker: wasCancelled ? "Cancelled" : "This video could not be processed",
      name: this.#name,
      problem: new Problem(problem),
      tryAgain: (made) => this.#retry(made),
    });
    card.classList.toggle("cancelled", wasCancelled);
    showTaskId(card.querySelector(".task-id"), this.#taskId);
    this.#settle(card, "");
  }

  async #retry(made) {
    made.disabled = true;
    try {
      const job = await retryJob(this.#taskId);
      this.onChange(this.#taskId, job);
      this.#follow(job);
      this.#place.querySelector(".name").focus();
    } catch (problem) {
      made.disabled = false;
      announce(problem.message);
      this.#place.querySelector(".sentence").textContent = `${problem.message} ${problem.hint}`;
    }
  }

  #showLookupProblem(problem) {
    const turn = this.#turn;
    const again = () => this.#load(turn);
    if (problem.isRetryable) this.#later = setTimeout(again, TRY_AGAIN_MS);
    // Whoever watches a bar keeps it, and a card that says the same stays as it is.
    const words = problem.isRetryable && this.#place.querySelector(".bar + .line > .words");
    if (words) words.textContent = LOST_WORDS;
    if (words || this.#place.querySelector(".code")?.textContent === problem.code) return;
    this.status = "failed";
    this.#settle(this.#buildError({
      kicker: "This video could not be loaded",
      name: problem.code === "job_not_found" ? "This video no longer exists" : this.#name,
      problem,
      tryAgain: again,
    }), "");
  }

  #buildError({ kicker, name, problem, tryAgain }) {
    const card = fromTemplate("error-template").firstElementChild;
    const fill = (place, words) => { card.querySelector(place).textContent = words; };
    fill(".kicker", kicker);
    fill(".name", name);
    fill(".sentence", problem.message);
    fill(".hint", problem.hint);
    fill(".code", problem.code);
    fill("pre", problem.logTail);
    card.querySelector("details").hidden = !problem.logTail;
    const actions = card.querySelector(".actions");
    if (problem.isRetryable) actions.append(button("Retry", tryAgain, "button primary"));
    actions.append(button("Choose another video", this.onChooseAnother));
    return card;
  }

  #settle(card, words) {
    // Whoever was here keeps their place: the button they had the focus on is gone now.
    const hadFocus = this.#place.contains(document.activeElement);
    this.#place.replaceChildren(card);
    this.#place.hidden = false;
    if (hadFocus || document.activeElement === document.body) {
      card.querySelector(".name").focus({ preventScroll: false });
    }
    announce(words);
  }
}

function placeWords(place) {
  if (place == null) return "";
  return place === 0 ? "Next in the queue" : `${place} ahead in the queue`;
}
