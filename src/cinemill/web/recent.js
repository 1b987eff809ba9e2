// The list of recent jobs, updated regularly.

import { getAsset, listJobs } from "./api.js";
import { element, find } from "./dom.js";
import { formatWhen } from "./format.js";
import { nameWork } from "./presets.js";
import { isFinal } from "./watch.js";

const REFRESH_MS = 2500;
const IDLE_REFRESH_MS = 15000;
// The list waits for the selected video at most this long.
const PATIENCE_MS = 1500;
const STATES = {
  pending: "Waiting", running: "Running", completed: "Done", failed: "Failed", cancelled: "Cancelled",
};

export class RecentList {
  #list = find("recent");
  #more = find("more");
  #jobs = new Map();
  #names = new Map();
  #next = null;
  #selected = "";
  #timer = 0;
  #mayDraw = Promise.resolve();

  constructor({ onProblem }) {
    this.onProblem = onProblem;
    this.#more.addEventListener("click", () => this.#showOlder());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
  }

  // Jobs have no filename; their assets do, and it never changes.
  async nameOf({ asset_id: own, kind, params }) {
    const assetId = own ?? params?.job?.clips?.[0]?.asset_id;
    if (!assetId) return nameUncatalogued(kind, params ?? {});
    if (!this.#names.has(assetId)) {
      this.#names.set(assetId, getAsset(assetId).then(({ filename }) => filename));
    }
    try {
      return await this.#names.get(assetId);
    } catch (problem) {
      this.#names.delete(assetId);
      if (problem.status === 404) return "Deleted video";
      throw problem;
    }
  }

  drawAfter(others) {
    this.#mayDraw = Promise.race([others, new Promise((go) => setTimeout(go, PATIENCE_MS))]);
  }

  select(taskId) {
    this.#selected = taskId;
    for (const link of this.#list.querySelectorAll("a")) markSelected(link, taskId);
  }

  update(taskId, progress) {
    const job = this.#jobs.get(taskId);
    if (!job) {
      this.refresh();
      return;
    }
    Object.assign(job, { status: progress.status, progress: progress.progress });
    this.#draw();
  }

  async refresh() {
    clearTimeout(this.#timer);
    let isLost = false;
    try {
      const { jobs, next } = await listJobs();
      if (this.#jobs.size === 0) this.#next = next;
      await this.#take(jobs, true);
      this.onProblem(null);
    } catch (problem) {
      isLost = true;
      this.onProblem(problem);
    }
    const goesOn = [...this.#jobs.values()].some(({ status }) => !isFinal(status));
    const wait = goesOn || isLost ? REFRESH_MS : IDLE_REFRESH_MS;
    this.#timer = setTimeout(() => (document.hidden ? null : this.refresh()), wait);
  }

  async #showOlder() {
    try {
      const { jobs, next } = await listJobs(this.#next);
      this.#next = next;
      await this.#take(jobs, false);
    } catch (problem) {
      this.onProblem(problem);
    }
  }

  async #take(jobs, areNewest) {
    const named = await Promise.all(
      jobs.map(async (job) => ({ ...this.#keepPace(job), name: await this.nameOf(job) })),
    );
    await this.#mayDraw;
    const fresh = new Map(named.map((job) => [job.id, job]));
    this.#jobs = areNewest ? new Map([...fresh, ...this.#older(fresh)]) : new Map([...this.#jobs, ...fresh]);
    this.#draw();
  }

  // Records are updated less often than events are sent, so never move a bar backwards.
  #keepPace(job) {
    const known = this.#jobs.get(job.id);
    const isBehind = known?.status === "running" && job.status === "running";
    return isBehind ? { ...job, progress: Math.max(known.progress, job.progress) } : job;
  }

  #older(fresh) {
    // Keep jobs older than the newest page; newer ones that are missing from it were deleted.
    const last = [...fresh.values()].at(-1)?.queued_at ?? "";
    return [...this.#jobs].filter(([id, { queued_at: at }]) => !fresh.has(id) && at < last);
  }

  #draw() {
    const rows = [...this.#jobs.values()].map((job) => this.#row(job));
    const focused = document.activeElement?.getAttribute?.("href");
    this.#list.replaceChildren(...rows);
    if (focused?.startsWith("#task=")) this.#list.querySelector(`a[href="${focused}"]`)?.focus();
    find("recent-section").hidden = false;
    find("recent-empty").hidden = rows.length > 0;
    this.#more.hidden = !this.#next;
  }

  #row(job) {
    const { id: taskId, status, progress, queued_at: queuedAt, name } = job;
    const work = nameWork(job);
    const hasShare = status === "running" && progress >= 1;
    const words = hasShare ? `${Math.floor(progress)}%` : STATES[status];
    const link = element("a", { href: addressOf(taskId) },
      element("span", { className: "title", title: name }, name,
        element("span", { className: "work", textContent: work && ` · ${work}` })),
      element("span", { className: "when", textContent: formatWhen(queuedAt) }),
      element("span", { className: `badge ${status}`, textContent: words }));
    markSelected(link, this.#selected);
    return element("li", {}, link);
  }
}

function markSelected(link, taskId) {
  if (taskId && link.hash === addressOf(taskId)) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

function addressOf(taskId) {
  return `#task=${encodeURIComponent(taskId)}`;
}

// A job with paths of its own has no asset until its sources are imported.
function nameUncatalogued(kind, { path, job }) {
  const first = job?.clips?.[0]?.path ?? job?.scenes?.[0]?.video_path ?? path;
  return first?.split("/").at(-1) ?? kind;
}
