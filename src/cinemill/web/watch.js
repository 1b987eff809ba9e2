// Follows one job: server-sent events, which the browser resumes by Last-Event-ID on its own, and
// asking once in a while where the stream was refused or a proxy swallows it.

import { eventsAddress, getStatus } from "./api.js";

const FINAL = new Set(["completed", "failed", "cancelled"]);
const ASK_AGAIN_MS = 2000;
const SILENCE_MS = 6000;

export const isFinal = (status) => FINAL.has(status);

export function watchJob(taskId, { onProgress, onLost }) {
  let source = null;
  let timer = 0;
  let heardAt = Date.now();
  let isOver = false;

  function stop() {
    isOver = true;
    source?.close();
    clearInterval(timer);
  }

  function take(progress) {
    if (isOver) return;
    heardAt = Date.now();
    if (isFinal(progress.status)) stop();
    onProgress(progress);
  }

  function listen() {
    source?.close();
    source = new EventSource(eventsAddress(taskId));
    source.addEventListener("progress", (event) => take(JSON.parse(event.data)));
  }

  async function askIfSilent() {
    if (Date.now() - heardAt < SILENCE_MS) return;
    try {
      take(await getStatus(taskId));
    } catch (problem) {
      if (!isOver) onLost(problem);
    }
    if (!isOver && source.readyState === EventSource.CLOSED) listen();
  }

  listen();
  timer = setInterval(askIfSilent, ASK_AGAIN_MS);
  return stop;
}
