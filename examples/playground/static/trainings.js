// Trainings: one at a time, watched live.

import { get, make, post, remove, save, say } from "/server.js";
import { draft } from "/pairs.js";
import { useTraining } from "/prompt.js";

const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const METHODS = [["auto", "Start chosen for your pairs"], ["zero", "E²GAN’s start"]];
const cards = new Map(); // by id
let followed = null; // { id, source }
let ready = false;

function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

// The difference to the held-out targets over the epochs.
function curve(training) {
  const [width, height, left, bottom] = [440, 170, 38, 22];
  const lines = METHODS.filter(([name]) => training.curves[name]?.points.length);
  const values = lines.flatMap(([name]) => training.curves[name].points.map((point) => point.l1));
  const top = Math.max(...values, 0.01) * 1.1;
  const x = (epoch) => left + (epoch / training.epochs) * (width - left - 8);
  const y = (value) => 8 + (1 - value / top) * (height - bottom - 8);
  const label = lines.map(([name, title]) => {
    const points = training.curves[name].points;
    return `${title}: from ${points[0].l1.toFixed(3)} to ${points.at(-1).l1.toFixed(3)}`;
  }).join("; ");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "curve", role: "img", "aria-label": `Difference to your targets after ${training.epochs_done} epochs. ${label}` });
  picture.append(svg("path", { class: "axis", d: `M${left} 8V${height - bottom}H${width - 8}` }));
  picture.append(svg("text", { x: left - 4, y: 16, "text-anchor": "end" }, top.toFixed(2)), svg("text", { x: left - 4, y: height - bottom, "text-anchor": "end" }, "0"));
  picture.append(svg("text", { x: left, y: height - 6 }, "0"), svg("text", { x: width - 8, y: height - 6, "text-anchor": "end" }, `${training.epochs} epochs`));
  for (const [name] of lines) {
    const points = training.curves[name].points;
    const d = points.map((point, i) => `${i ? "L" : "M"}${x(point.epoch).toFixed(1)} ${y(point.l1).toFixed(1)}`).join("");
    picture.append(svg("path", { class: name, d }));
    const last = points.at(-1);
    picture.append(svg("circle", { class: name, cx: x(last.epoch), cy: y(last.l1), r: 2.5 }));
  }
  const legend = make("p", { className: "legend" }, make("span", { textContent: "Difference to held-out targets (L1, lower is better)" }));
  for (const [name, title] of lines) legend.append(make("span", { className: name, textContent: `${title}: ${training.curves[name].points.at(-1).l1.toFixed(3)}` }));
  return make("div", {}, picture, legend);
}

function previews(training) {
  const columns = [["input", "Before"], ["target", "Your target"], ["auto", "Now"], ["zero", "E²GAN now"]];
  const shown = columns.filter(([name]) => training.pictures[name]);
  const table = make("div", { className: "previews" });
  const row = make("div", { className: "row" }, ...shown.map(([, title]) => make("span", { textContent: title })));
  if (shown.length) table.append(row);
  const count = Math.min(...shown.map(([name]) => training.pictures[name]), 3);
  for (let i = 0; shown.length && i < count; i++) {
    table.append(make("div", { className: "row" }, ...shown.map(([name, title]) => {
      const version = name === "input" || name === "target" ? 0 : training.epochs_done;
      return make("img", { src: `/api/trainings/${training.id}/images/${name}/${i}?v=${version}`, alt: `${title}, photograph ${i + 1}` });
    })));
  }
  return table;
}

function draw(training) {
  let card = cards.get(training.id);
  if (!card) {
    card = { root: make("article", { className: "run" }), live: make("div"), buttons: make("div", { className: "buttons" }), error: make("div", { className: "note bad", hidden: true }) };
    card.error.setAttribute("role", "alert");
    card.command = make("pre", { tabIndex: 0 });
    const details = make("details", {}, make("summary", { textContent: "The same on the command line" }), card.command);
    card.root.append(card.live, card.buttons, details, card.error);
    card.root.dataset.training = training.id;
    cards.set(training.id, card);
    const next = [...cards.keys()].filter((id) => id < training.id).sort((a, b) => b - a)[0];
    at("trainings").insertBefore(card.root, next ? cards.get(next).root : null);
  }
  card.training = training;
  card.root.dataset.state = training.state;
  card.root.dataset.epochs = training.epochs_done;
  card.command.textContent = training.command;
  const header = make("header", {}, make("h3", { textContent: training.prompt }), make("span", { className: `badge ${training.state}`, textContent: training.state }));
  const progress = make("progress", { max: training.epochs, value: training.epochs_done });
  progress.setAttribute("aria-label", "Epochs done");
  const origin = training.curves.auto?.origin;
  const start = origin ? `, started from: ${origin}` : "";
  const facts = make("p", { className: "hint", textContent: `Epoch ${training.epochs_done} of ${training.epochs}, ${training.pairs} pairs${start}` });
  card.live.replaceChildren(header, progress, facts);
  if (training.curves.auto?.points.length) card.live.append(curve(training));
  if (Object.keys(training.pictures).length) card.live.append(previews(training));
  if (training.error) say(card.error, training.error);
  buttons(card, training);
  at("no-trainings").hidden = cards.size > 0;
}

function buttons(card, training) {
  const key = [training.state, training.has_adapter, training.has_report].join();
  if (card.key === key) return; // keeps the focus
  card.key = key;
  const act = (title, action, className = "") => {
    const button = make("button", { type: "button", textContent: title, className });
    button.addEventListener("click", async () => {
      say(card.error, "");
      try {
        await action();
      } catch (error) {
        say(card.error, error.message);
      }
    });
    return button;
  };
  const ask = (action) => async () => { draw(await post(`/api/trainings/${training.id}/${action}`)); await refresh(); };
  const list = [];
  const active = ["waiting", "running"].includes(training.state);
  if (active) list.push(act("Pause", ask("pause")));
  if (["paused", "failed"].includes(training.state)) list.push(act("Resume", ask("resume"), "primary"));
  if (active || training.state === "paused") list.push(act("Stop", ask("stop")));
  if (training.has_adapter) {
    list.push(act("Use this style", () => {
      useTraining({ id: training.id, prompt: training.prompt });
      at("tab-prompt").click();
      window.scrollTo(0, 0);
    }));
  }
  if (training.has_report) {
    list.push(act("Report", async () => {
      const report = await get(`/api/trainings/${training.id}/report`);
      save(new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }), "report.json");
    }));
  }
  if (training.state !== "running") {
    list.push(act("Remove", async () => {
      if (!confirm(`Remove the training “${training.prompt}” and its files?`)) return;
      await remove(`/api/trainings/${training.id}`);
      card.root.remove();
      cards.delete(training.id);
      at("no-trainings").hidden = cards.size > 0;
    }, "quiet"));
  }
  card.buttons.replaceChildren(...list);
}

// Follows the training that runs, or the first that waits.
function follow() {
  const active = [...cards.values()].map((card) => card.training).filter((training) => ["running", "waiting"].includes(training.state));
  const next = active.find((training) => training.state === "running") ?? active.sort((a, b) => a.id - b.id)[0];
  if (followed?.id === next?.id) return;
  followed?.source.close();
  followed = null;
  if (!next) return;
  const source = new EventSource(`/api/trainings/${next.id}/events`);
  followed = { id: next.id, source };
  source.onmessage = async (event) => {
    const training = JSON.parse(event.data);
    draw(training);
    if (["running", "waiting"].includes(training.state)) return;
    source.close();
    followed = null;
    await refresh();
  };
}

async function refresh() {
  const { trainings } = await get("/api/trainings");
  trainings.forEach(draw);
  follow();
}

async function begin() {
  const body = { draft: Number(draft()), prompt: at("style-prompt").value, epochs: Number(at("epochs").value), rival: at("rival").checked };
  at("begin").disabled = true;
  try {
    draw(await post("/api/trainings", body));
    say(at("pairs-error"), "");
    await refresh();
  } catch (error) {
    say(at("pairs-error"), error.message);
  }
  check();
}

function check() {
  at("begin").disabled = !(ready && at("style-prompt").value.trim());
}

export async function start() {
  document.addEventListener("pairs", (event) => { ready = event.detail.ready; check(); });
  at("style-prompt").addEventListener("input", check);
  at("begin").addEventListener("click", begin);
  await refresh();
}
