// Putting a set of pairs together.

import { get, make, post, say, upload } from "/server.js";

const at = (id) => document.getElementById(id);
const KEY = "draft";
let fewest = 10;
let rows = [];

export const draft = () => sessionStorage.getItem(KEY);

async function opened() {
  if (!draft()) sessionStorage.setItem(KEY, String((await post("/api/drafts")).id));
  return draft();
}

export function forget() {
  sessionStorage.removeItem(KEY);
  show([]);
}

// All files below dropped folders, with their paths.
async function filesOf(items) {
  const found = [];
  const walk = async (entry, path) => {
    if (entry.isFile) {
      const file = await new Promise((done, failed) => entry.file(done, failed));
      found.push({ file, path: path + file.name });
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (;;) {
        const part = await new Promise((done, failed) => reader.readEntries(done, failed));
        if (part.length === 0) break;
        for (const child of part) await walk(child, `${path}${entry.name}/`);
      }
    }
  };
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  for (const entry of entries) await walk(entry, "");
  return found;
}

// A folder with input/ and target/ says itself what its files are.
function sideOf(path, side) {
  const folders = path.toLowerCase().split("/").slice(0, -1);
  if (folders.includes("input")) return "input";
  if (folders.includes("target")) return "target";
  return side;
}

async function add(files, side) {
  const pictures = files.filter(({ path }) => /\.(jpe?g|png|webp)$/i.test(path) && !/(^|\/)\./.test(path));
  const others = files.length - pictures.length;
  let message = others ? `${others} files that are not JPEG, PNG or WebP were left out.` : "";
  try {
    const id = await opened();
    for (const [i, { file, path }] of pictures.entries()) {
      at("pairs-status").textContent = `Reading ${i + 1} of ${pictures.length}`;
      const query = new URLSearchParams({ side: sideOf(path, side), name: path });
      const response = await upload(`/api/drafts/${id}/files?${query}`, file, "PUT");
      rows = (await response.json()).rows;
    }
  } catch (error) {
    message = error.message;
    if (message.includes("no longer has")) forget();
  }
  show(rows);
  say(at("pairs-error"), message);
}

function picture(row, side) {
  if (!row[side]) return make("div", { className: "none" });
  const alt = `${row.name}, ${side === "input" ? "before" : "after"}`;
  return make("img", { src: `/api/drafts/${draft()}/${row.number}/${side}`, alt, loading: "lazy" });
}

function show(found) {
  rows = found;
  const bad = rows.filter((row) => row.problem);
  at("pairs").replaceChildren(...[...bad, ...rows.filter((row) => !row.problem)].map((row) => {
    const item = make("li", { className: row.problem ? "bad" : "" });
    item.append(make("div", { className: "two" }, picture(row, "input"), picture(row, "target")));
    item.append(make("div", { className: "name", textContent: row.name, title: row.name }));
    if (row.problem) item.append(make("div", { className: "why", textContent: row.problem }));
    return item;
  }));
  const good = rows.length - bad.length;
  const missing = fewest - good;
  let status = rows.length ? `${good} ${good === 1 ? "pair" : "pairs"}` : "";
  if (bad.length) status += `, ${bad.length} with problems`;
  if (rows.length && missing > 0) status += `; at least ${missing} more needed`;
  at("pairs-status").textContent = status;
  at("remove-bad").hidden = bad.length === 0;
  at("remove-all").hidden = rows.length === 0;
  document.dispatchEvent(new CustomEvent("pairs", { detail: { ready: bad.length === 0 && missing <= 0 } }));
}

async function drop(numbers) {
  try {
    show((await post(`/api/drafts/${draft()}/remove`, { numbers })).rows);
    say(at("pairs-error"), "");
  } catch (error) {
    say(at("pairs-error"), error.message);
  }
}

function prepare(zone) {
  const side = zone.dataset.side;
  const title = zone.querySelector("h3").textContent;
  for (const folder of [false, true]) {
    const id = `${side}-${folder ? "folder" : "files"}`;
    const input = make("input", { type: "file", id, className: "hidden-file", multiple: true, webkitdirectory: folder });
    if (!folder) input.accept = "image/jpeg,image/png,image/webp";
    const label = make("label", { className: "button", htmlFor: id, textContent: folder ? "Folder" : "Files" });
    label.append(make("span", { className: "visually-hidden", textContent: ` for “${title}”` }));
    input.addEventListener("change", async () => {
      const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
      await add(files, side);
      input.value = "";
    });
    zone.append(label, input);
  }
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove("over");
    await add(await filesOf(event.dataTransfer.items), side);
  });
}

export async function start() {
  fewest = (await get("/api/about")).fewest_pairs;
  document.querySelectorAll(".zone").forEach(prepare);
  at("remove-bad").addEventListener("click", () => drop(rows.filter((row) => row.problem).map((row) => row.number)));
  at("remove-all").addEventListener("click", () => drop(rows.map((row) => row.number)));
  if (!draft()) return;
  const known = await get(`/api/drafts/${draft()}`).catch(() => null);
  if (known) show(known.rows);
  else forget();
}
