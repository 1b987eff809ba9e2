// The one film that is looked at: its progress, its error, or its result.

import { cancelJob, getJob, Problem, retryJob } from "./api.js";
import { announce, element, find, fromTemplate, setBar, showTaskId } from "./dom.js";
import { formatSeconds } from "./format.js";
import { showResult } from "./result.js";
import { isFinal, watchJob } from "./watch.js";

const STAGES = {
  intake: "Taking in the film",
  probe: "Looking at the film",
  prepare: "Making the proxy, stills and sound",
};

export class TaskView {
  #place = find("task");
  #stop = () => {};
  #taskId = "";
  #name = "Film";
  // Counts selections: an answer that comes after the user has moved on is dropped.
  #turn = 0;

  constructor({ onChange, onChooseAnother, nameOf }) {
    this.onChange = onChange;
    this.onChooseAnother = onChooseAnother;
    this.nameOf = nameOf;
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
    try {
      const job = await getJob(taskId);
      const name = await this.nameOf(job);
      if (turn !== this.#turn) return;
      this.#name = name;
      if (isFinal(job.status)) this.#finish(job);
      else this.#follow(job);
    } catch (problem) {
      if (turn === this.#turn) this.#showLookupProblem(problem);
    }
  }

  #begin(taskId) {
    this.#stop();
    this.#turn += 1;
    this.#taskId = taskId;
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
    const turn = this.#turn;
    this.#stop = watchJob(this.#taskId, {
      onProgress: (progress) => this.#onProgress(card, progress, turn),
      onLost: () => {
        card.querySelector(".words").textContent = "Connection lost; trying again …";
      },
    });
  }

  async #onProgress(card, progress, turn) {
    this.onChange(this.#taskId, progress);
    this.status = progress.status;
    if (!isFinal(progress.status)) {
      this.#showProgress(card, progress);
      return;
    }
    try {
      const job = await getJob(this.#taskId);
      if (turn === this.#turn) this.#finish(job);
    } catch (problem) {
      if (turn === this.#turn) this.#showLookupProblem(problem);
    }
  }

  #showProgress(card, { status, progress, message, stage, seconds_left: left, queue_place: place }) {
    const waiting = status === "pending";
    const words = STAGES[stage] && !waiting ? STAGES[stage] : message || "Waiting in the queue";
    setBar(card.querySelector(".bar"), waiting ? 0 : progress);
    card.querySelector(".words").textContent = words;
    const numbers = [`${Math.floor(progress)} %`];
    if (left != null) numbers.push(`about ${formatSeconds(left)} left`);
    card.querySelector(".numbers").textContent = waiting ? "" : numbers.join(" · ");
    card.querySelector(".queue").textContent = waiting ? placeWords(place) : "";
    announce(words);
    document.title = waiting ? "Waiting – Cinemill" : `${Math.floor(progress)} % – Cinemill`;
  }

  async #cancel(button) {
    button.disabled = true;
    button.textContent = "Cancelling …";
    try {
      await cancelJob(this.#taskId, "Cancelled on the page");
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
      await showResult(card, job, this.#name);
    } catch (problem) {
      if (turn === this.#turn) this.#showLookupProblem(problem);
      return;
    }
    if (turn === this.#turn) this.#settle(card, `${this.#name} is done`);
  }

  #showFailure(job) {
    const wasCancelled = job.status === "cancelled";
    const problem = wasCancelled
      ? { code: "cancelled", detail: job.cancel_reason || "The job was cancelled.", way_on: "" }
      : { ...job.failure, detail: job.failure?.message };
    const card = buildError({
      kicker: wasCancelled ? "Cancelled" : "This film could not be processed",
      name: this.#name,
      problem: new Problem(problem),
      actions: [
        ["Try again", (button) => this.#retry(button)],
        ["Choose another film", this.onChooseAnother],
      ],
    });
    showTaskId(card.querySelector(".task-id"), this.#taskId);
    this.#settle(card, "");
  }

  async #retry(button) {
    button.disabled = true;
    try {
      const job = await retryJob(this.#taskId);
      this.onChange(this.#taskId, job);
      this.#follow(job);
      this.#place.querySelector(".name").focus();
    } catch (problem) {
      button.disabled = false;
      announce(problem.message);
      this.#place.querySelector(".sentence").textContent = `${problem.message} ${problem.wayOn}`;
    }
  }

  #showLookupProblem(problem) {
    const taskId = this.#taskId;
    const again = () => {
      this.#taskId = "";
      this.show(taskId);
    };
    this.status = "failed";
    this.#settle(buildError({
      kicker: "This film cannot be shown",
      name: problem.code === "job_not_found" ? "It is not here any more" : this.#name,
      problem,
      actions: [["Try again", again], ["Choose another film", this.onChooseAnother]],
    }), "");
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

export function buildError({ kicker, name, problem, actions }) {
  const card = fromTemplate("error-template").firstElementChild;
  card.querySelector(".kicker").textContent = kicker;
  card.querySelector(".name").textContent = name;
  card.querySelector(".sentence").textContent = problem.message;
  card.querySelector(".way-on").textContent = problem.wayOn;
  card.querySelector(".code").textContent = problem.code;
  card.querySelector("details").hidden = !problem.logTail;
  card.querySelector("pre").textContent = problem.logTail;
  const buttons = actions.map(([words, act], index) => {
    const className = index === 0 ? "button primary" : "button";
    const button = element("button", { type: "button", className, textContent: words });
    button.addEventListener("click", () => act(button));
    return button;
  });
  card.querySelector(".actions").append(...buttons);
  return card;
}

function placeWords(place) {
  if (place == null) return "";
  return place === 0 ? "Next in the queue" : `${place} before it in the queue`;
}
