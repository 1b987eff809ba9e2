// What a player of sound alone shows: its waveform, on which a click seeks, and the caption of the moment.

import { element } from "./dom.js";

// ``media`` is the audio element. The seek bar does the same for the keyboard.
export function buildWave(place, media, waveform) {
  const head = element("i", { className: "wave-head" });
  const lane = element("div", { className: "wave" },
    element("img", { src: waveform ?? "", alt: "", draggable: false, hidden: !waveform }), head);
  lane.setAttribute("aria-hidden", "true");
  const caption = element("p", { className: "wave-caption" });
  place.prepend(lane, caption);
  let isDragged = false;
  const seek = ({ clientX }) => {
    const { left, width } = lane.getBoundingClientRect();
    if (!Number.isFinite(media.duration) || !width) return;
    media.currentTime = media.duration * Math.min(1, Math.max(0, (clientX - left) / width));
  };
  lane.addEventListener("pointerdown", (event) => {
    isDragged = true;
    lane.setPointerCapture(event.pointerId);
    seek(event);
  });
  lane.addEventListener("pointermove", (event) => { if (isDragged) seek(event); });
  for (const name of ["pointerup", "pointercancel"]) lane.addEventListener(name, () => { isDragged = false; });
  const show = () => {
    const share = Number.isFinite(media.duration) && media.duration ? media.currentTime / media.duration : 0;
    head.style.left = `${100 * share}%`;
    const cues = [...media.textTracks].filter(({ mode }) => mode === "hidden")
      .flatMap(({ activeCues }) => [...activeCues ?? []]);
    const words = cues.map(({ text }) => text.replace(/<[^>]*>/g, "")).join("\n");
    if (caption.textContent !== words) caption.textContent = words;
  };
  const run = () => {
    show();
    if (!media.paused && lane.isConnected) requestAnimationFrame(run);
  };
  media.addEventListener("play", run);
  for (const name of ["timeupdate", "seeking", "seeked", "pause", "loadedmetadata"]) media.addEventListener(name, show);
  media.textTracks.addEventListener("change", show);
  media.textTracks.addEventListener("addtrack", ({ track }) => track.addEventListener("cuechange", show));
}
