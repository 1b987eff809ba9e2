// The elements of the player: the video or the sound, its controls, and the thumbnail over the seek bar.

import { drawing, element } from "./dom.js";

export function buildControls({ isSound }) {
  const media = isSound ? element("audio", { preload: "metadata" })
    : element("video", { playsInline: true, preload: "metadata" });
  const problem = element("p", {
    className: "player-problem", hidden: true,
    textContent: `This browser cannot play this ${isSound ? "sound" : "video"}. Download it instead.`,
  });
  const controls = element("div", { className: "controls" },
    icon("play", "Play",
      path("M8 5.5v13l10.5-6.5z", "when-paused"),
      path("M7 5h3.6v14H7zM13.4 5H17v14h-3.6z", "when-playing")),
    buildSeek(),
    element("span", { className: "clock" }),
    captionsButton(),
    pressed(icon("mute", "Mute",
      path("M4 9.5v5h3.5l5 4V5.5l-5 4z"),
      path("M15.5 9a4 4 0 0 1 0 6M17.8 6.5a7.5 7.5 0 0 1 0 11", "when-loud stroke"),
      path("m15.5 9.5 5 5m0-5-5 5", "when-muted stroke"))),
    ...(isSound ? [] : [icon("full", "Full screen",
      path("M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15", "stroke"))]));
  return [media, controls, problem];
}

function buildSeek() {
  const range = element("input", { type: "range", min: "0", max: "1", step: "0.1", value: "0" });
  range.setAttribute("aria-label", "Position");
  const preview = element("div", { className: "preview", hidden: true },
    element("div", { className: "preview-image" }), element("span", { className: "preview-time" }));
  return element("div", { className: "seek" }, preview, range);
}

function captionsButton() {
  const frame = { class: "stroke", x: "3.5", y: "5.5", width: "17", height: "13", rx: "2.5" };
  const made = pressed(icon("cc", "Captions: off", drawing("rect", frame),
    path("M10.8 10.4a2 2 0 1 0 0 3.2M17 10.4a2 2 0 1 0 0 3.2", "stroke")));
  made.hidden = true;
  return made;
}

function icon(name, label, ...shapes) {
  const made = element("button", { type: "button", className: `icon ${name}` },
    drawing("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, ...shapes));
  made.setAttribute("aria-label", label);
  return made;
}

function pressed(button) {
  button.setAttribute("aria-pressed", "false");
  return button;
}

const path = (d, className = "") => drawing("path", className ? { class: className, d } : { d });
