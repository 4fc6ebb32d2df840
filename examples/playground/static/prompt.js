// Typing a prompt: the latest state wins, the photograph that is looked at comes first.

import { fromBase64, get, make, post, say, take, toBase64, upload } from "/server.js";
import { show } from "/viewer.js";

const PAUSE = 60; // ms without a key before a request
const IDEAS = ["teal charcoal sketch", "oil painting", "amber watercolour", "night vision camera", "coarse woodcut print", "cross-stitch embroidery"];

const at = (id) => document.getElementById(id);
const [prompt, strength, mixOn, mixPrompt, share] = ["prompt", "strength", "mix-on", "mix-prompt", "share"].map(at);

let photos = []; // { name, source, before, after } with URLs
let chosen = 0;
let training = null; // { id, prompt } of a trained style
let timer = 0;
let running = null;
let pressed = 0; // when the state last changed

function job() {
  const job = { strength: Number(strength.value) };
  if (training) return { ...job, training: training.id };
  job.prompt = prompt.value;
  if (mixOn.checked && mixPrompt.value.trim()) job.mix = { prompt: mixPrompt.value, share: Number(share.value) };
  return job;
}

function changed() {
  pressed = performance.now();
  remember();
  clearTimeout(timer);
  timer = setTimeout(run, PAUSE);
}

async function run() {
  running?.abort();
  const mine = (running = new AbortController());
  if (!training && !prompt.value.trim()) {
    say(at("error"), "");
    at("status").textContent = "Type a style, such as “teal charcoal sketch”.";
    return;
  }
  const began = pressed;
  try {
    const first = photos[chosen];
    const edited = await post("/api/edit", { ...job(), photos: first ? [first.source] : [] }, mine.signal);
    if (mine.signal.aborted) return;
    if (first) put(first, edited.images[0]);
    describe(edited);
    await at("after").decode().catch(() => {});
    document.body.dataset.latency = String(performance.now() - began);
    const rest = photos.filter((photo) => photo !== first);
    if (rest.length === 0) return;
    const others = await post("/api/edit", { ...job(), photos: rest.map((photo) => photo.source) }, mine.signal);
    if (mine.signal.aborted) return;
    rest.forEach((photo, i) => put(photo, others.images[i]));
    document.body.dataset.settled = String(Number(document.body.dataset.settled ?? 0) + 1);
  } catch (error) {
    if (error.name === "AbortError") return;
    say(at("error"), error.message);
    say(at("warnings"), "");
    at("status").textContent = "";
  }
}

function put(photo, png) {
  if (!photos.includes(photo)) return;
  if (photo.after) URL.revokeObjectURL(photo.after);
  photo.after = URL.createObjectURL(fromBase64(png));
  photo.thumbnail.src = photo.after;
  if (photo === photos[chosen]) show(photo.before, photo.after);
}

function describe(edited) {
  say(at("error"), "");
  say(at("warnings"), edited.warnings.join(" "));
  const made = training ? "Loaded" : "Weights predicted";
  at("status").textContent = `${made} in ${edited.predict_ms.toFixed(0)} ms, photograph edited in ${edited.edit_ms.toFixed(0)} ms`;
  at("command").textContent = edited.command;
  at("near").replaceChildren(...edited.nearest.map((near) => {
    const meter = make("meter", { min: 0, max: 1, value: Math.max(0, near.similarity) });
    meter.setAttribute("aria-hidden", "true");
    return make("li", {}, make("span", { textContent: near.prompt }), meter, make("span", { textContent: near.similarity.toFixed(2) }));
  }));
  at("near-field").hidden = edited.nearest.length === 0;
}

function choose(index) {
  chosen = index;
  photos.forEach((photo, i) => photo.button.setAttribute("aria-pressed", String(i === index)));
  const photo = photos[index];
  show(photo.before, photo.after);
}

function add(name, source, before) {
  const photo = { name, source, before, after: null };
  photo.thumbnail = make("img", { src: before, alt: name });
  photo.button = make("button", { type: "button", title: name }, photo.thumbnail);
  photo.button.addEventListener("click", () => choose(photos.indexOf(photo)));
  photos.push(photo);
  at("strip").append(photo.button);
  return photo;
}

let limit = 24;
export async function addFiles(files) {
  const problems = [];
  for (const file of files) {
    if (photos.length >= limit) {
      problems.push(`${file.name}: there is room for ${limit} photographs`);
      break;
    }
    try {
      const png = await (await upload("/api/photo", file)).blob();
      add(file.name, { png: await toBase64(png) }, URL.createObjectURL(png));
      choose(photos.length - 1);
    } catch (error) {
      problems.push(`${file.name}: ${error.message}`);
    }
  }
  await run();
  if (problems.length) say(at("error"), problems.join(". "));
}

export function useTraining(chosenTraining) {
  training = chosenTraining;
  at("by-prompt").hidden = at("mix-field").hidden = Boolean(training);
  at("by-training").hidden = !training;
  at("training-name").textContent = training ? `“${training.prompt}”` : "";
  changed();
}

function remember() {
  at("strength-value").textContent = Number(strength.value).toFixed(2);
  at("share-value").textContent = `${Math.round(Number(share.value) * 100)} %`;
  at("mix").hidden = !mixOn.checked;
  const state = { prompt: prompt.value, strength: strength.value, mixOn: mixOn.checked, mixPrompt: mixPrompt.value, share: share.value };
  sessionStorage.setItem("prompt", JSON.stringify(state));
}

function recall() {
  try {
    const state = JSON.parse(sessionStorage.getItem("prompt"));
    if (!state) return;
    [prompt.value, strength.value, mixOn.checked, mixPrompt.value, share.value] = [state.prompt, state.strength, state.mixOn, state.mixPrompt, state.share];
  } catch { /* nothing usable is remembered */ }
}

function takes(id, path, name) {
  at(id).addEventListener("click", async () => {
    try {
      const all = path.endsWith("photos") ? { photos: photos.map((photo) => photo.source), names: photos.map((photo) => photo.name) } : {};
      await take(path, { ...job(), ...all }, name);
    } catch (error) {
      say(at("error"), error.message);
    }
  });
}

export async function start() {
  recall();
  remember();
  const about = await get("/api/about");
  limit = about.max_photos;
  about.samples.forEach((name, i) => add(name, { sample: i }, `/api/samples/${i}`));
  if (photos.length) choose(Math.min(1, photos.length - 1));
  at("ideas").append(...IDEAS.map((idea) => {
    const button = make("button", { type: "button", textContent: idea });
    button.addEventListener("click", () => { prompt.value = idea; changed(); });
    return button;
  }));
  for (const control of [prompt, strength, mixOn, mixPrompt, share]) control.addEventListener("input", changed);
  at("add-photo").addEventListener("change", async (event) => {
    await addFiles([...event.target.files]);
    event.target.value = "";
  });
  at("leave-training").addEventListener("click", () => useTraining(null));
  at("copy-command").addEventListener("click", () => navigator.clipboard?.writeText(at("command").textContent));
  takes("take-adapter", "/api/take/adapter", "adapter.safetensors");
  takes("take-peft", "/api/take/peft", "peft-adapter.zip");
  takes("take-photos", "/api/take/photos", "edited-photographs.zip");
  pressed = performance.now();
  await run();
}

