// Follows one job by server-sent events, which the browser resumes with Last-Event-ID by itself. Polls
// if the stream is rejected or buffered by a proxy.

import { eventsAddress, getStatus } from "./api.js";

const FINAL = new Set(["completed", "failed", "cancelled"]);
const POLL_MS = 2000;
const SILENCE_MS = 6000;

export const isFinal = (status) => FINAL.has(status);

// Callbacks: onProgress(progress), onLost() while the connection is lost, onRefused() if asking again
// would change nothing, as for a job that was deleted meanwhile; nothing is called after that.
export function watchJob(taskId, { onProgress, onLost, onRefused }) {
  let source = null;
  let timer = 0;
  let lastEventAt = Date.now();
  let isOver = false;

  function stop() {
    isOver = true;
    source?.close();
    clearInterval(timer);
  }

  function handle(progress) {
    if (isOver) return;
    lastEventAt = Date.now();
    if (isFinal(progress.status)) stop();
    onProgress(progress);
  }

  function listen() {
    source?.close();
    source = new EventSource(eventsAddress(taskId));
    source.addEventListener("progress", (event) => handle(JSON.parse(event.data)));
  }

  async function pollIfSilent() {
    if (Date.now() - lastEventAt < SILENCE_MS) return;
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
    if (!isOver && source.readyState === EventSource.CLOSED) listen();
  }

  listen();
  timer = setInterval(pollIfSilent, POLL_MS);
  return stop;
}
