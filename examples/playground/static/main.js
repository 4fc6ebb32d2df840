// Tabs, theme, and what is dropped on the page.

import * as pairs from "/pairs.js";
import * as prompt from "/prompt.js";
import * as trainings from "/trainings.js";
import { say } from "/server.js";

const at = (id) => document.getElementById(id);

const tabs = [...document.querySelectorAll("[role=tab]")];
function open(tab, focus = true) {
  for (const other of tabs) {
    const selected = other === tab;
    other.setAttribute("aria-selected", String(selected));
    other.tabIndex = selected ? 0 : -1;
    at(other.getAttribute("aria-controls")).hidden = !selected;
  }
  if (focus) tab.focus();
  sessionStorage.setItem("tab", tab.id);
}
tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) open(tabs[(i + step + tabs.length) % tabs.length]);
  });
});
const last = at(sessionStorage.getItem("tab") ?? "");
if (last) open(last, false);

const THEMES = ["system", "light", "dark"];
function theme(name) {
  const chosen = THEMES.includes(name) ? name : "system";
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  at("theme").lastElementChild.textContent = chosen;
  localStorage.setItem("theme", chosen);
}
theme(localStorage.getItem("theme"));
at("theme").addEventListener("click", () => {
  const now = THEMES.indexOf(localStorage.getItem("theme"));
  theme(THEMES[(now + 1) % THEMES.length]);
});

// A photograph dropped beside a zone must not replace the page.
const onPrompt = () => !at("panel-prompt").hidden;
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("dropping").hidden = !(onPrompt() && event.dataTransfer.types.includes("Files"));
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("dropping").hidden = true; });
addEventListener("drop", async (event) => {
  event.preventDefault();
  at("dropping").hidden = true;
  if (onPrompt()) await prompt.addFiles([...event.dataTransfer.files]);
});

for (const part of [prompt, pairs, trainings]) {
  part.start().catch((error) => say(at("error"), error.message));
}
document.body.dataset.ready = "true";
