// Follows one job by server-sent events, which the browser resumes with Last-Event-ID by itself. Polls
// if there is no place for another stream, if the tab is hidden, or if the stream is rejected or
// buffered by a proxy.

import { eventsAddress, getStatus } from "./api.js";
import { takePlace } from "./places.js";

const FINAL = new Set(["completed", "failed", "cancelled"]);
const POLL_MS = 2000;
const SILENCE_MS = 6000;
const PATIENCE_MS = 30_000;

export const isFinal = (status) => FINAL.has(status);

// Callbacks: onProgress(progress), onLost() while the connection is lost, onRefused() if asking again
// would change nothing, as for a job that was deleted meanwhile; nothing is called after that. A stream
// begins with what happened before, and a status is older than the latest event: no progress is below
// the one before, nor below what is `shown` already.
export function watchJob(taskId, { onProgress, onLost, onRefused, shown = 0 }) {
  const stream = new Stream(taskId, handle);
  let timer = 0;
  let newsAt = Date.now();
  let askedAt = -Infinity;
  let isOver = false;
  let percent = shown;

  function stop() {
    isOver = true;
    stream.close();
    clearInterval(timer);
    document.removeEventListener("visibilitychange", followTab);
  }

  function handle(progress) {
    if (isOver) return;
    newsAt = Date.now();
    if (isFinal(progress.status)) stop();
    percent = Math.max(percent, progress.progress);
    onProgress({ ...progress, progress: percent });
  }

  async function pollIfSilent() {
    const now = Date.now();
    if (stream.isOpen() && now - newsAt < SILENCE_MS) return;
    // A server that does not answer now gets no heap of requests, nor do they take all connections.
    if (now - askedAt < PATIENCE_MS) return;
    askedAt = now;
    try {
      handle(await getStatus(taskId));
    } catch (problem) {
      if (isOver) return;
      if (problem.isRetryable) {
        onLost();
      } else {
        stop();
        onRefused();
      }
    }
    if (askedAt === now) askedAt = -Infinity;
    if (!isOver && !document.hidden) stream.open();
  }

  function followTab() {
    if (document.hidden) stream.close();
    else pollIfSilent();
  }

  async function begin() {
    if (!document.hidden) await stream.open();
    if (isOver || stream.isOpen()) return;
    await pollIfSilent();
  }

  document.addEventListener("visibilitychange", followTab);
  timer = setInterval(pollIfSilent, POLL_MS);
  begin();
  return stop;
}

// The event stream of one job, while it has a place.
class Stream {
  #address;
  #onProgress;
  #source = null;
  #giveBack = null;
  #isWanted = false;

  constructor(taskId, onProgress) {
    this.#address = eventsAddress(taskId);
    this.#onProgress = onProgress;
  }

  isOpen() {
    return this.#source !== null;
  }

  // Again, if it was rejected; not at all while all places are taken.
  async open() {
    this.#isWanted = true;
    if (this.#source && this.#source.readyState !== EventSource.CLOSED) return;
    const giveBack = this.#giveBack ?? await takePlace();
    if (!this.#isWanted || (this.#giveBack && this.#giveBack !== giveBack)) {
      giveBack?.();
      return;
    }
    this.#giveBack = giveBack;
    if (giveBack) this.#listen();
  }

  #listen() {
    this.#source?.close();
    this.#source = new EventSource(this.#address);
    this.#source.addEventListener("progress", (event) => this.#onProgress(JSON.parse(event.data)));
  }

  close() {
    this.#isWanted = false;
    this.#source?.close();
    this.#source = null;
    this.#giveBack?.();
    this.#giveBack = null;
  }
}
