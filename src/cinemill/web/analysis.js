// The analysis of a video for manipulated faces: asked for, followed, shown and reviewed.

import {
  Problem, cancelJob, createAnalysis, getAnalysis, getStatus, listAnalyses, listFrameScores, listRegions, retryJob,
} from "./api.js";
import { Boxes } from "./boxes.js";
import { announce, button, element, setBar } from "./dom.js";
import { describeRegion, groupByFace, nameOutcome, nameVerdict, toLanes } from "./findings.js";
import { formatTimeLeft, formatWhen } from "./format.js";
import { ReviewPanel } from "./review.js";
import { buildVerdict } from "./verdict.js";
import { isFinal, watchJob } from "./watch.js";

const RETRY_MS = 3000;
const MAX_REGIONS = 60;
const STAGES = {
  look_up: "Looking for earlier findings", intake: "Importing the video", probe: "Inspecting the video",
  analyze: "Looking at faces",
};
const REVIEWABLE = new Set(["likely_manipulated", "no_manipulation_found", "inconclusive", "no_face"]);

export class AnalysisPanel {
  #place;
  #asset;
  #analyses = [];
  #stop = () => {};
  #timer = 0;
  // Counts what is shown, to drop responses that arrive after the panel has moved on.
  #turn = 0;
  #boxes = null;
  #found = null;

  // ``lanes`` shows the faces.
  constructor(place, asset, { lanes, onProblem }) {
    Object.assign(this, { lanes, onProblem });
    this.#place = place;
    this.#asset = asset;
  }

  // Draws boxes over this player's picture, from now on.
  setPlayer(player) {
    const video = this.#asset.media?.video;
    if (!video) return;
    this.#boxes = new Boxes(player, { width: video.display_width, height: video.display_height });
    if (this.#found) this.#boxes.show(this.#found.byFace, this.#found.regions);
  }

  // Shows the analysis of that id, else the newest.
  async show(analysisId = "") {
    const turn = this.#nextTurn();
    await this.#attempt(turn, async () => {
      this.#analyses = await listAnalyses(this.#asset.id);
      if (turn !== this.#turn) return;
      const chosen = this.#analyses.find(({ id }) => id === analysisId) ?? this.#analyses[0];
      if (!chosen) this.#showNone();
      else if (!isFinal(chosen.status)) this.#follow(chosen);
      else await this.#showEnded(chosen, turn);
    });
  }

  #nextTurn() {
    this.#stop();
    clearTimeout(this.#timer);
    this.#stop = () => {};
    this.#turn += 1;
    return this.#turn;
  }

  // Reports a problem of a request, and tries again if that may help.
  async #attempt(turn, act) {
    try {
      await act();
      if (turn === this.#turn) this.onProblem(null);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (turn !== this.#turn) return;
      this.onProblem(problem);
      if (problem.isRetryable) this.#timer = setTimeout(() => this.show(this.#shownId()), RETRY_MS);
    }
  }

  #shownId() {
    return this.#place.dataset.analysis ?? "";
  }

  #replace(state, analysis, ...content) {
    const hadFocus = this.#place.contains(document.activeElement);
    this.#place.dataset.state = state;
    this.#place.dataset.analysis = analysis?.id ?? "";
    this.#place.replaceChildren(...content);
    if (hadFocus) this.#place.querySelector("[tabindex='-1']")?.focus({ preventScroll: true });
  }

  #showNone() {
    this.#showFindings(null);
    this.#replace("none", null,
      element("h2", { tabIndex: -1, textContent: "Manipulated faces" }),
      element("p", { className: "quiet", textContent: "This video has not been analyzed yet. Faces in sampled frames are examined on this server; nothing leaves it." }),
      this.#buildRequest("Analyze for manipulated faces", "button primary"));
  }

  #buildRequest(words, className) {
    const fast = element("input", { type: "checkbox" });
    const start = button(words, async () => {
      start.disabled = true;
      try {
        const { id } = await createAnalysis(this.#asset.id, fast.checked);
        await this.show(id);
      } catch (problem) {
        start.disabled = false;
        this.onProblem(problem);
      }
    }, className);
    return element("div", { className: "actions request" }, start,
      element("label", { className: "choice" }, fast, "Fast: 8 frames instead of 32"));
  }

  #buildHead(analysis) {
    const head = element("div", { className: "card-head" },
      element("h2", { tabIndex: -1, textContent: "Manipulated faces" }));
    if (this.#analyses.length > 1) head.append(this.#buildChoice(analysis));
    return head;
  }

  #buildChoice({ id: shown }) {
    const select = element("select", { className: "which" }, ...this.#analyses.map((one) => element("option", {
      value: one.id, selected: one.id === shown,
      textContent: `${formatWhen(one.created_at)}${one.fast ? ", fast" : ""}: ${nameOutcome(one)}`,
    })));
    select.setAttribute("aria-label", "Analysis");
    select.addEventListener("change", () => this.show(select.value));
    return select;
  }

  #follow(analysis) {
    const turn = this.#turn;
    const bar = element("div", { className: "bar" }, element("div", { className: "bar-fill" }));
    for (const [name, value] of Object.entries({
      role: "progressbar", "aria-label": "Analysis", "aria-valuemin": "0", "aria-valuemax": "100",
    })) bar.setAttribute(name, value);
    const [words, numbers] = [element("span", { className: "words" }), element("span", { className: "numbers" })];
    const stop = button("Cancel", (made) => this.#cancel(analysis.id, made), "button stop");
    const head = this.#buildHead(analysis);
    head.append(stop);
    this.#showFindings(null);
    this.#replace("running", analysis, head, bar, element("p", { className: "line" }, words, numbers));
    const showProgress = (progress) => {
      setBar(bar, progress.progress);
      words.textContent = describeStage(progress);
      numbers.textContent = describeRest(progress);
      announce(words.textContent.replace(/:? .?\d.*$/, ""));
    };
    showProgress({ status: analysis.status, progress: 0 });
    this.#stop = watchJob(analysis.id, {
      onProgress: (progress) => {
        if (turn !== this.#turn) return;
        if (isFinal(progress.status)) this.show(analysis.id);
        else showProgress(progress);
      },
      onLost: () => { words.textContent = "Connection lost. Reconnecting …"; },
      onRefused: () => this.show(),
    });
  }

  async #cancel(id, made) {
    made.disabled = true;
    try {
      await cancelJob(id, "Cancelled from the web page");
    } catch (problem) {
      made.disabled = false;
      this.onProblem(problem);
    }
  }

  async #showEnded(analysis, turn) {
    if (analysis.status === "completed") await this.#showCompleted(analysis.id, turn);
    else if (analysis.status === "failed") await this.#showFailed(analysis, turn);
    else this.#showCancelled(analysis);
  }

  #showCancelled(analysis) {
    this.#showFindings(null);
    this.#replace("cancelled", analysis, this.#buildHead(analysis),
      element("p", { className: "sentence", textContent: "This analysis was cancelled." }),
      this.#buildRequest("Analyze again", "button"));
  }

  async #showFailed(analysis, turn) {
    const { error: jobError } = await getStatus(analysis.id);
    if (turn !== this.#turn) return;
    const { code, message, hint } = analysis.error ?? jobError;
    this.#showFindings(null);
    const actions = element("div", { className: "actions" });
    if (jobError?.retryable) actions.append(button("Retry", (made) => this.#retry(analysis.id, made), "button primary"));
    this.#replace("failed", analysis, this.#buildHead(analysis),
      element("article", { className: "card error" },
        element("p", { className: "kicker", textContent: nameVerdict("failed") }),
        element("p", { className: "sentence", textContent: message }),
        element("p", { className: "hint quiet", textContent: hint }),
        actions,
        element("p", { className: "line faint" },
          element("span", {}, "Code ", element("code", { className: "code", textContent: code })))),
      this.#buildRequest("Analyze again", "button"));
    announce(`The analysis failed. ${message}`);
  }

  async #retry(id, made) {
    made.disabled = true;
    try {
      await retryJob(id);
      await this.show(id);
    } catch (problem) {
      made.disabled = false;
      this.onProblem(problem);
    }
  }

  async #showCompleted(id, turn) {
    const [details, frames, regions] = await Promise.all([getAnalysis(id), listFrameScores(id), listRegions(id)]);
    if (turn !== this.#turn) return;
    this.#showFindings({ details, byFace: groupByFace(frames), regions });
    const review = element("section", { className: "reviews" });
    const canReview = REVIEWABLE.has(details.verdict);
    this.#replace("completed", details, this.#buildHead(details), buildVerdict(details),
      ...this.#buildRegions(regions), ...(canReview ? [review] : []), this.#buildRequest("Analyze again", "button"));
    announce(nameVerdict(details.verdict));
    if (canReview) await this.#showReviews(review, details);
  }

  async #showReviews(place, { id }) {
    const panel = new ReviewPanel(place, id, {
      onReviewed: async () => {
        const [details] = await Promise.all([getAnalysis(id), panel.refresh()]);
        this.#place.querySelector(".verdict")?.replaceWith(buildVerdict(details));
      },
    });
    await panel.refresh();
  }

  #showFindings(found) {
    this.#found = found;
    this.#boxes?.show(found?.byFace ?? new Map(), found?.regions ?? []);
    const faces = found ? toLanes(found.details, found.byFace, found.regions) : [];
    this.lanes.show(faces, (isShown) => this.#boxes?.setShown(isShown));
  }

  #buildRegions(regions) {
    if (!regions.length) return [];
    const shown = regions.slice(0, MAX_REGIONS);
    const rest = regions.length - shown.length;
    return [element("section", { className: "regions" },
      element("h3", { textContent: "Suspicious regions" }),
      element("ul", {}, ...shown.map((one) => element("li", {},
        button(describeRegion(one), () => this.lanes.seek(one.start_ms), "link")))),
      ...(rest ? [element("p", { className: "faint", textContent: `${rest} more in the report.` })] : []))];
  }
}

function describeStage({ status, stage, message }) {
  if (status === "pending") return message || "Waiting in the queue";
  return message || STAGES[stage] || "Starting";
}

function describeRest({ status, progress, seconds_left: left, queue_place: place }) {
  if (status === "pending") return place == null ? "" : place === 0 ? "Next in the queue" : `${place} ahead`;
  const share = `${Math.floor(progress)}%`;
  return left == null ? share : `${share} · about ${formatTimeLeft(left)} left`;
}
