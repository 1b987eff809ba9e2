// The list of the latest jobs of videos, updated regularly.

import { assetAddress, getAsset, getJob, listJobs, needsParams } from "./api.js";
import { deleteButton } from "./deletion.js";
import { element, find } from "./dom.js";
import { formatWhen } from "./format.js";
import { nameWork } from "./presets.js";
import { isFinal } from "./watch.js";

const REFRESH_MS = 2500;
const IDLE_REFRESH_MS = 15000;
const PAGE_ROWS = 20;
const MAX_PAGE_ROWS = 500;
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
  #sought = new Set();
  #next = null;
  #selected = "";
  #timer = 0;
  #mayDraw = Promise.resolve();

  // Ids of videos whose rows are hidden: those of pages below the newest are not read again.
  #deleted = new Set();
  // Counts what was hidden, to know which lists were requested after it.
  #turn = 0;
  // While a pointer is pressed in the list, it is drawn later: a click on a row that was replaced
  // between its two halves is lost.
  #isPressed = false;
  #mustDraw = false;

  // onProblem(problem), onDelete(assetId, name)
  constructor({ onProblem, onDelete }) {
    Object.assign(this, { onProblem, onDelete });
    this.#more.addEventListener("click", () => this.#showOlder());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
    this.#list.addEventListener("pointerdown", () => { this.#isPressed = true; });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => this.#release());
  }

  #release() {
    this.#isPressed = false;
    if (this.#mustDraw) setTimeout(() => this.#draw());  // after the click
  }

  // A job has the name that its video was submitted with; one for a stored video, none of its own.
  async nameOf(job) {
    if (job.filename) return job.filename;
    const assetId = assetIdOf(job);
    if (assetId) return this.#remember(assetId, async () => (await getAsset(assetId)).filename);
    if (!needsParams(job)) return nameUncatalogued(job);
    return this.#remember(job.id, async () => this.nameOf(await getJob(job.id)));
  }

  async #remember(id, read) {
    if (!this.#names.has(id)) this.#names.set(id, read());
    try {
      return await this.#names.get(id);
    } catch (problem) {
      this.#names.delete(id);
      if (problem.status === 404) return "Deleted video";
      throw problem;
    }
  }

  drawAfter(others) {
    this.#mayDraw = Promise.race([others, new Promise((go) => setTimeout(go, PATIENCE_MS))]);
  }

  hide(assetId) {
    this.#deleted.add(assetId);
    this.#turn += 1;
    if (!find("recent-section").hidden) this.#draw();
  }

  // Shows the rows of a video again. The first of them gets the focus if the note that is gone had it,
  // which leaves it to the page's content.
  async unhide(assetId) {
    this.#deleted.delete(assetId);
    await this.refresh();
    const row = this.#list.querySelector(`[data-asset="${CSS.escape(assetId)}"] a`);
    if (row && document.activeElement === find("main")) row.focus();
  }

  select(taskId) {
    this.#selected = taskId;
    for (const link of this.#list.querySelectorAll(".job")) markSelected(link, taskId);
  }

  update(taskId, progress) {
    const job = this.#jobs.get(taskId);
    if (!job) {
      // Once only: a job that is of no video is never listed.
      if (!this.#sought.has(taskId)) this.refresh();
      this.#sought.add(taskId);
      return;
    }
    Object.assign(job, this.#keepPace({ ...job, status: progress.status, progress: progress.progress }));
    this.#draw();
  }

  async refresh() {
    clearTimeout(this.#timer);
    let isLost = false;
    try {
      const turn = this.#turn;
      const { jobs, next } = await listJobs(this.#countRowsThatMayChange());
      if (turn === this.#turn) this.#showThoseThatStay(jobs);
      // Rows below are kept only if none can be missing between them and this page.
      const isContinued = next !== null && jobs.some(({ id }) => this.#jobs.has(id));
      if (!isContinued) this.#next = next;
      await this.#take(jobs, isContinued ? (fresh) => this.#older(fresh) : () => []);
      this.onProblem(null);
    } catch (problem) {
      isLost = true;
      this.onProblem(problem);
    }
    const goesOn = [...this.#jobs.values()].some(({ status }) => !isFinal(status));
    const wait = goesOn || isLost ? REFRESH_MS : IDLE_REFRESH_MS;
    this.#timer = setTimeout(() => (document.hidden ? null : this.refresh()), wait);
  }

  // The server lists no jobs of videos that are being deleted: these were restored, or uploaded again.
  #showThoseThatStay(jobs) {
    for (const job of jobs) this.#deleted.delete(job.asset_id);
  }

  async #showOlder() {
    try {
      const { jobs, next } = await listJobs(PAGE_ROWS, this.#next);
      this.#next = next;
      await this.#append(jobs);
    } catch (problem) {
      this.onProblem(problem);
    }
  }

  // Jobs run in order of their age, so those that run may be far below the newest.
  #countRowsThatMayChange() {
    const rows = [...this.#jobs.values()];
    const count = rows.findLastIndex(({ status }) => !isFinal(status)) + 1;
    return Math.min(MAX_PAGE_ROWS, Math.max(PAGE_ROWS, count));
  }

  async #take(jobs, findOlder) {
    const fresh = await this.#nameAll(jobs);
    this.#jobs = new Map([...fresh, ...findOlder(fresh)]);
    this.#draw();
  }

  async #append(jobs) {
    const fresh = await this.#nameAll(jobs);
    this.#jobs = new Map([...this.#jobs, ...fresh]);
    this.#draw();
  }

  async #nameAll(jobs) {
    const named = await Promise.all(
      jobs.map(async (job) => ({ ...this.#keepPace(job), name: await this.nameOf(job) })),
    );
    await this.#mayDraw;
    return new Map(named.map((job) => [job.id, job]));
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
    this.#mustDraw = this.#isPressed;
    if (this.#isPressed) return;
    const rows = [...this.#jobs.values()].filter((job) => !this.#deleted.has(assetIdOf(job)))
      .map((job) => this.#row(job));
    const isInside = this.#list.contains(document.activeElement);
    const focused = isInside ? selectorOf(document.activeElement) : null;
    this.#list.replaceChildren(...rows);
    if (focused) this.#list.querySelector(focused)?.focus({ preventScroll: true });
    find("recent-section").hidden = false;
    find("recent-empty").hidden = rows.length > 0;
    this.#more.hidden = !this.#next;
  }

  #row(job) {
    const { id: taskId, status, progress, queued_at: queuedAt, name } = job;
    const work = nameWork(job);
    const hasShare = status === "running" && progress >= 1;
    const words = hasShare ? `${Math.floor(progress)}%` : STATES[status];
    const link = element("a", { className: "job", href: addressOf(taskId) },
      element("span", { className: "title", title: name },
        element("span", { className: "title-name", textContent: name }),
        element("span", { className: "work", textContent: work && ` · ${work}` })),
      element("span", { className: "when", textContent: formatWhen(queuedAt) }),
      element("span", { className: `badge ${status}`, textContent: words }));
    markSelected(link, this.#selected);
    const own = assetIdOf(job);
    const row = element("li", {}, link, ...(own ? [linkToAsset(own, name)] : []));
    row.dataset.task = taskId;
    if (job.asset_id) {
      row.dataset.asset = job.asset_id;
      row.append(deleteButton(name, () => this.onDelete(job.asset_id, name)));
    }
    return row;
  }
}

// Finds the link or button in a row that stands for the same one.
function selectorOf(focused) {
  const { task } = focused.closest("li").dataset;
  const kind = ["to-asset", "delete"].find((name) => focused.classList.contains(name)) ?? "job";
  return `[data-task="${CSS.escape(task)}"] .${kind}`;
}

// The page of the video itself, with everything that is known about it.
function linkToAsset(assetId, name) {
  const link = element("a", { className: "to-asset", href: assetAddress(assetId), textContent: "Page" });
  link.setAttribute("aria-label", `Page of ${name}`);
  return link;
}

function markSelected(link, taskId) {
  if (taskId && link.hash === addressOf(taskId)) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

function addressOf(taskId) {
  return `#task=${encodeURIComponent(taskId)}`;
}

function assetIdOf({ asset_id: own, params }) {
  return own ?? params?.job?.clips?.[0]?.asset_id;
}

// A job with paths of its own has no asset until its sources are imported.
function nameUncatalogued({ kind, params }) {
  if (kind === "fetch_model") return `Model ${params?.name ?? ""}`;
  const { path, job } = params ?? {};
  const first = job?.clips?.[0]?.path ?? job?.scenes?.[0]?.video_path ?? path;
  return first?.split("/").at(-1) ?? kind;
}
