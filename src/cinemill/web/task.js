// The selected video: its progress, its error, or its result.

import { cancelJob, createJob, fetchModel, getStatus, Problem, retryJob } from "./api.js";
import { announce, button, find, fromTemplate, setBar, showTaskId } from "./dom.js";
import { followEarly, resumePlayback, playbackPosition } from "./early.js";
import { formatTimeLeft } from "./format.js";
import { showResult } from "./result.js";
import { reveal } from "./reveal.js";
import { isFinal, watchJob } from "./watch.js";

const LOST_WORDS = "Connection lost. Reconnecting …";
const RETRY_MS = 3000;
// The hint names the model that is missing: a job may need several, and its parameters name none.
const FETCH_COMMAND = /cinemill models fetch ([\w.-]+)/;
// The hint offers it where this job can use the readable parts of a damaged video.
const BEST_EFFORT = /\bbest_effort\b/;
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
  #queuePlace = null;
  #retryTimer = 0;
  // Counts selections and reloads, to drop responses that arrive after the view has moved on.
  #turn = 0;
  // Whether a person has opened this and its first card has not been shown yet.
  #isOpening = false;

  // onChange(taskId, progress), onChooseAnother(), onProblem(problem), nameOf(job), onLoaded(assetId),
  // onDelete(assetId, name)
  constructor(callbacks) {
    Object.assign(this, callbacks);
    this.status = "";
    this.assetId = null;
  }

  get isBusy() {
    return Boolean(this.#taskId) && !isFinal(this.status);
  }

  // ``isOpened``: by a person, so that it comes into view.
  async show(taskId, isOpened) {
    if (taskId === this.#taskId) {
      if (isOpened) this.#comeIntoView();
      return;
    }
    this.#begin(taskId);
    this.#isOpening = isOpened;
    if (!taskId) {
      this.#place.hidden = true;
      return;
    }
    await this.#load();
  }

  async #load() {
    const turn = this.#nextTurn();
    try {
      const job = await getStatus(this.#taskId);
      const name = await this.nameOf(job);
      if (turn !== this.#turn) return;
      this.#name = name;
      this.assetId = job.asset_id;
      if (isFinal(job.status)) await this.#finish(job);
      else this.#follow(job);
      if (turn === this.#turn) this.onLoaded(job.asset_id);
    } catch (problem) {
      if (turn === this.#turn) this.#showLookupProblem(problem);
    }
  }

  #begin(taskId) {
    this.#nextTurn();
    this.#taskId = taskId;
    this.#queuePlace = null;
    this.status = "";
    this.assetId = null;
    this.#isOpening = false;
    this.#place.replaceChildren();
  }

  // Whatever was under way for the view until now has no effect on it any more.
  #nextTurn() {
    this.#stop();
    clearTimeout(this.#retryTimer);
    this.#turn += 1;
    return this.#turn;
  }

  #follow(job) {
    this.status = job.status;
    const card = fromTemplate("progress-template").firstElementChild;
    card.querySelector(".name").textContent = this.#name;
    showTaskId(card.querySelector(".task-id"), this.#taskId);
    const cancel = card.querySelector(".stop");
    cancel.addEventListener("click", () => this.#cancel(cancel));
    this.#showProgress(card, job);
    this.#replaceCard(card, "");
    const refreshPreview = followEarly(card, job);
    refreshPreview();
    const turn = this.#turn;
    this.#stop = watchJob(this.#taskId, {
      shown: job.progress,
      onProgress: (progress) => {
        refreshPreview();
        this.#onProgress(card, progress, turn);
      },
      onLost: () => {
        card.querySelector(".words").textContent = LOST_WORDS;
      },
      onRefused: () => this.#load(),
    });
  }

  #onProgress(card, progress, turn) {
    if (turn !== this.#turn) return;
    this.onChange(this.#taskId, progress);
    this.status = progress.status;
    if (!isFinal(progress.status)) {
      this.#showProgress(card, progress);
      return;
    }
    this.#load();
  }

  #showProgress(card, { status, progress, message, stage, seconds_left: left, queue_place: place }) {
    const waiting = status === "pending";
    const words = STAGES[stage] && !waiting ? STAGES[stage] : message || "Waiting in the queue";
    setBar(card.querySelector(".bar"), progress);
    card.querySelector(".words").textContent = words;
    const numbers = [`${Math.floor(progress)}%`];
    if (left != null) numbers.push(`about ${formatTimeLeft(left)} left`);
    card.querySelector(".numbers").textContent = waiting ? "" : numbers.join(" · ");
    // Not every event has a queue position; keep the last one.
    this.#queuePlace = waiting ? (place ?? this.#queuePlace) : null;
    card.querySelector(".queue").textContent = placeWords(this.#queuePlace);
    // Not each megabyte of a download.
    announce(words.replace(/: \d.*$/, ""));
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
        onDelete: this.onDelete,
        comeBackAfter: (taskId) => this.#comeBackAfter(taskId, turn),
      });
    } catch (problem) {
      if (turn === this.#turn) this.#showLookupProblem(problem);
      return;
    }
    if (turn !== this.#turn) return;
    const place = playbackPosition(this.#place.querySelector("video, audio"));
    this.#replaceCard(card, `${this.#name} is done`);
    resumePlayback(card.querySelector("video, audio"), place);
  }

  #comeBackAfter(taskId, turn) {
    if (turn !== this.#turn) return;
    const comeBack = () => {
      if (turn !== this.#turn) return;
      // Do not interrupt the user while editing captions.
      const isWriting = this.#place.querySelector(".captions")?.contains(document.activeElement);
      if (isWriting) this.#retryTimer = setTimeout(comeBack, RETRY_MS);
      else this.#load();
    };
    this.#stop = watchJob(taskId, {
      onProgress: ({ status }) => { if (isFinal(status)) comeBack(); },
      onLost: () => {},
      onRefused: comeBack,
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
    if (job.asset_id) {
      const remove = () => this.onDelete(job.asset_id, this.#name);
      card.querySelector(".actions").append(button("Delete the video", remove));
    }
    const name = problem.code === "model_missing" ? FETCH_COMMAND.exec(problem.hint)?.[1] : null;
    if (name) {
      const fetch = (made) => this.#fetchModel(made, name, card);
      for (const other of card.querySelectorAll(".actions .primary")) other.classList.remove("primary");
      card.querySelector(".actions").prepend(button(`Download the model ${name}`, fetch, "button primary"));
    }
    if (job.asset_id && BEST_EFFORT.test(problem.hint)) {
      card.querySelector(".actions").prepend(
        button("Use what is readable", (made) => this.#makeBest(made, job), "button primary"));
    }
    card.classList.toggle("cancelled", wasCancelled);
    showTaskId(card.querySelector(".task-id"), this.#taskId);
    this.#replaceCard(card, "");
  }

  // Download the model that was missing, and retry the job once it is there.
  async #fetchModel(made, name, card) {
    const turn = this.#turn;
    const words = made.textContent;
    const say = (sentence) => { card.querySelector(".sentence").textContent = sentence; };
    const giveUp = (sentence) => {
      if (turn !== this.#turn) return;
      made.disabled = false;
      made.textContent = words;
      say(sentence);
      announce(sentence);
    };
    made.disabled = true;
    made.textContent = "Downloading …";
    try {
      const { id } = await fetchModel(name);
      if (turn !== this.#turn) return;
      this.#stop = watchJob(id, {
        onProgress: async ({ status, message }) => {
          if (turn !== this.#turn) return;
          if (status === "completed") this.#retry(made);
          else if (!isFinal(status)) say(message || "Waiting in the queue");
          else giveUp((await getStatus(id)).error?.message ?? "The download was cancelled.");
        },
        onLost: () => say(LOST_WORDS),
        onRefused: () => giveUp("The download was cancelled."),
      });
    } catch (problem) {
      giveUp(`${problem.message} ${problem.hint}`);
    }
  }

  async #makeBest(made, { asset_id: assetId, kind, params }) {
    const turn = this.#turn;
    made.disabled = true;
    try {
      // The video is stored by now, wherever it came from.
      const { path, ...others } = params;
      const job = await createJob(assetId, kind, { ...others, best_effort: true });
      if (turn === this.#turn) location.hash = `task=${encodeURIComponent(job.id)}`;
    } catch (problem) {
      if (turn !== this.#turn) return;
      made.disabled = false;
      announce(problem.message);
      this.#place.querySelector(".sentence").textContent = `${problem.message} ${problem.hint}`;
    }
  }

  async #retry(made) {
    const turn = this.#turn;
    made.disabled = true;
    try {
      const job = await retryJob(this.#taskId);
      this.onChange(job.id, job);
      if (turn !== this.#turn) return;
      this.#nextTurn();
      this.#follow(job);
      this.#place.querySelector(".name").focus({ preventScroll: true });
    } catch (problem) {
      if (turn !== this.#turn) return;
      made.disabled = false;
      announce(problem.message);
      this.#place.querySelector(".sentence").textContent = `${problem.message} ${problem.hint}`;
    }
  }

  #showLookupProblem(problem) {
    const again = () => this.#load();
    if (problem.isRetryable) this.#retryTimer = setTimeout(again, RETRY_MS);
    // Keep a progress bar, and a card that shows the same error already.
    const words = problem.isRetryable && this.#place.querySelector(".bar + .line > .words");
    if (words) words.textContent = LOST_WORDS;
    if (words || this.#place.querySelector(".code")?.textContent === problem.code) return;
    this.status = "failed";
    this.#replaceCard(this.#buildError({
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

  #comeIntoView() {
    const name = this.#place.querySelector(".name");
    if (name) reveal(this.#place, name);
  }

  #replaceCard(card, words) {
    // Restore the focus if it was here, because the focused element is gone.
    const hadFocus = this.#place.contains(document.activeElement);
    this.#place.replaceChildren(card);
    this.#place.hidden = false;
    if (this.#isOpening) this.#comeIntoView();
    else if (hadFocus || document.activeElement === document.body) {
      card.querySelector(".name").focus({ preventScroll: true });
    }
    this.#isOpening = false;
    announce(words);
  }
}

function placeWords(place) {
  if (place == null) return "";
  return place === 0 ? "Next in the queue" : `${place} ahead in the queue`;
}
