// The line below a player: which file it plays, and a choice of the others.

import { element } from "./dom.js";

// onChoose(at) is called with the place of the chosen source.
export function showPlaying(place, sources, at, onChoose) {
  if (sources.length === 1) {
    place.textContent = `Playing: ${sources[at].words}`;
    return;
  }
  const hadFocus = place.contains(document.activeElement);
  const select = element("select", {}, ...sources.map(({ words }, value) =>
    element("option", { value: String(value), textContent: words, selected: value === at })));
  select.addEventListener("change", () => onChoose(Number(select.value)));
  place.replaceChildren(element("label", { className: "plays-choice" }, "Playing: ", select));
  if (hadFocus) select.focus({ preventScroll: true });
}
