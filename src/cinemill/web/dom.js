// Functions that build the page. Text is always inserted as text, never as markup.

export function find(id) {
  return document.getElementById(id);
}

export function fromTemplate(id) {
  return find(id).content.cloneNode(true);
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// An element of an SVG picture.
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function button(words, act, className = "button") {
  const made = element("button", { type: "button", className, textContent: words });
  made.addEventListener("click", () => act(made));
  return made;
}

export function setBar(bar, percent) {
  // Without a number, the bar shows activity without progress.
  bar.classList.toggle("waiting", percent === null);
  if (percent === null) {
    bar.removeAttribute("aria-valuenow");
    bar.firstElementChild.style.width = "";
    return;
  }
  bar.setAttribute("aria-valuenow", String(Math.round(percent)));
  bar.firstElementChild.style.width = `${percent}%`;
}

let announced = "";

export function announce(words) {
  if (words && words !== announced) {
    announced = words;
    find("announcer").textContent = words;
  }
}

export function showTaskId(place, taskId) {
  const code = element("code", { textContent: taskId });
  const copy = button("Copy", () => copyText(taskId, code, copy), "copy");
  copy.setAttribute("aria-label", "Copy the task id");
  place.replaceChildren("Task ", code, copy);
}

async function copyText(text, code, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    announce("Task id copied");
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  } catch {
    // Insecure origins have no clipboard API; select the text, so that Ctrl+C works.
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    announce("Task id selected");
  }
}
