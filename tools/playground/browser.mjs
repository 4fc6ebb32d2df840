// Drives the playground in Chromium. Called by tools/playground-browser.sh.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { deflateSync, crc32 as zlibCrc32 } from "node:zlib";
import { chromium } from "playwright-core";

const { CHROMIUM, SERVER, WORK, PLAYGROUND_SHOTS: SHOTS } = process.env;
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

// --- the server -------------------------------------------------------------------------------------------------------

let server;
let base;
async function startServer(port = 0) {
  server = spawn(SERVER, ["--listen", `127.0.0.1:${port}`, "--out", `${WORK}/trainings`], { stdio: ["ignore", "pipe", "inherit"] });
  base = await new Promise((resolve, reject) => {
    let text = "";
    server.stdout.on("data", (data) => {
      text += data;
      const found = text.match(/open (http:\S+)/);
      if (found) resolve(found[1]);
    });
    server.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${text}`)));
  });
}
async function endServer() {
  const ended = new Promise((resolve) => server.on("exit", (code) => resolve(code)));
  server.kill("SIGINT");
  return ended;
}
const rss = () => Number(readFileSync(`/proc/${server.pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]) / 1024;

// --- pages that watch their console and their requests ----------------------------------------------------------------

const complaints = [];
let refusalsExpected = false;
async function open(context, path = "") {
  const page = context.pages().find((page) => page.url() === "about:blank") ?? (await context.newPage());
  page.on("console", (message) => {
    const refusal = refusalsExpected && message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !refusal) complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`page: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("blob:")) complaints.push(`external request: ${request.url()}`);
  });
  page.on("dialog", (dialog) => dialog.accept());
  await page.goto(base + path);
  await settled(page);
  return page;
}
const browser = () => chromium.launchPersistentContext(`${WORK}/profile-${Math.random()}`, { executablePath: CHROMIUM, args: FLAGS, acceptDownloads: true });

const count = (page) => page.evaluate(() => Number(document.body.dataset.settled ?? 0));
async function settled(page, before = 0) {
  await page.waitForFunction((before) => Number(document.body.dataset.settled ?? 0) > before, before);
}
async function type(page, prompt) {
  const before = await count(page);
  await page.fill("#prompt", prompt);
  await settled(page, before);
}
// The pixels of a picture of the page.
const pixels = (page, selector) => page.evaluate(async (selector) => {
  const image = document.querySelector(selector);
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
}, selector);
function apart(a, b) {
  assert.equal(a.length, b.length);
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

// --- files ------------------------------------------------------------------------------------------------------------

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
}
function crc32(bytes) {
  if (zlibCrc32) return zlibCrc32(bytes);
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}
// A PNG of that size; `rows` gives fewer rows of data than the header announces.
function png(width, height, value, rows = height) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const data = Buffer.alloc(rows * (1 + 3 * width));
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < 3 * width; x++) data[y * (1 + 3 * width) + 1 + x] = value(x, y) & 255;
  }
  const start = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([start, chunk("IHDR", header), chunk("IDAT", deflateSync(data)), chunk("IEND", Buffer.alloc(0))]);
}
const file = (name, buffer, mimeType = "image/png") => ({ name, mimeType, buffer });

// --- tests ------------------------------------------------------------------------------------------------------------

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const tests = [];
const test = (name, body) => tests.push([name, body]);

test("an option without a use is refused", async () => {
  const { status, stderr } = spawnSync(SERVER, ["--json", `${WORK}/result.json`], { encoding: "utf8", timeout: 60_000 });
  assert.equal(status, 2, stderr);
  assert.match(stderr, /a server has no result to write/);
});

test("a prompt changes the picture, and strength 0 is the base alone", async ({ page }) => {
  const photo = await pixels(page, "#before");
  const first = await pixels(page, "#after");
  assert.ok(apart(photo, first) > 10, "the edit is a change");
  await type(page, "oil painting");
  const second = await pixels(page, "#after");
  assert.ok(apart(first, second) > 5, "another prompt gives another picture");
  const before = await count(page);
  await page.fill("#strength", "0");
  await settled(page, before);
  const base = await pixels(page, "#after");
  assert.ok(apart(base, second) > 1, "the generated weights change what the base makes of the prompt");
  assert.ok(apart(base, photo) > 1, "the base reads the prompt");
  const again = await count(page);
  await page.fill("#strength", "1");
  await settled(page, again);
  assert.deepEqual(await pixels(page, "#after"), second);
});

test("two styles are mixed", async ({ page }) => {
  const alone = await pixels(page, "#after");
  let before = await count(page);
  await page.check("#mix-on");
  await settled(page, before);
  assert.ok(apart(alone, await pixels(page, "#after")) > 1);
  assert.match(await page.textContent("#command"), /--mix 'amber watercolour' --share 0.5/);
  assert.match(await page.textContent("#command"), /--apply DIR .*--shorter-side 256$/);
  before = await count(page);
  await page.uncheck("#mix-on");
  await settled(page, before);
});

test("neighbours are named, and a far prompt is warned of", async ({ page }) => {
  await type(page, "quarterly report of the audit committee");
  assert.match(await page.textContent("#warnings"), /far from everything/);
  await type(page, "teal charcoal sketch");
  assert.ok(await page.isHidden("#warnings"));
  assert.match(await page.textContent("#near"), /charcoal/);
  assert.match(await page.textContent("#status"), /predicted in \d+ ms/);
});

test("tabs and slider work from the keyboard", async ({ page }) => {
  await page.focus("#tab-prompt");
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.isVisible("#panel-style"));
  await page.keyboard.press("ArrowLeft");
  assert.ok(await page.isVisible("#panel-prompt"));
  await page.focus("#split");
  for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowRight");
  const split = await page.evaluate(() => document.getElementById("viewer").style.getPropertyValue("--split"));
  assert.equal(split, "60%");
});

test("a photograph is uploaded, edited and kept apart from hostile files", async ({ page }) => {
  const shown = await page.locator("#strip button").count();
  const good = file("wide.png", png(200, 120, (x, y) => x + 2 * y));
  await page.setInputFiles("#add-photo", [good]);
  await page.waitForFunction((n) => document.querySelectorAll("#strip button").length === n, shown + 1);
  await page.waitForFunction(() => !document.getElementById("after").hidden);
  const edited = await pixels(page, "#after");
  assert.equal(edited.length, 4 * 200 * 120, "with its own proportions");
  assert.ok(apart(await pixels(page, "#before"), edited) > 5);
  refusalsExpected = true;
  const whole = good.buffer;
  for (const [hostile, reason] of [
    [file("bomb.png", png(8000, 8000, () => 0, 1)), /bomb\.png/],
    [file("wrong.png", Buffer.from("<svg onload=alert(1)>")), /wrong\.png/],
    [file("huge.png", png(30000, 30000, () => 0, 1)), /8192/],
    [file("truncated.png", whole.subarray(0, whole.length / 2)), /truncated\.png/],
    [file("empty.png", Buffer.alloc(0)), /empty\.png/],
  ]) {
    await page.setInputFiles("#add-photo", [hostile]);
    await page.waitForFunction((name) => document.getElementById("error").textContent.includes(name), hostile.name);
    assert.match(await page.textContent("#error"), reason);
  }
  refusalsExpected = false;
  assert.equal(await page.locator("#strip button").count(), shown + 1);
  await type(page, "night vision camera");
  assert.ok(await page.isHidden("#error"));
});

async function downloaded(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return readFileSync(await download.path());
}

test("adapter, PEFT folder and photographs are downloaded", async ({ page }) => {
  const adapter = await downloaded(page, "#take-adapter");
  const length = Number(adapter.readBigUInt64LE(0));
  const header = JSON.parse(adapter.subarray(8, 8 + length).toString());
  assert.ok(header["stem.lora_A.weight"], "a safetensors file");
  for (const button of ["#take-peft", "#take-photos"]) {
    const archive = await downloaded(page, button);
    assert.equal(archive.subarray(0, 2).toString(), "PK");
    if (button === "#take-photos") assert.ok(archive.includes("wide.png"), "under its own name");
  }
});

test("two clients at once see their own pictures", async ({ page }) => {
  const context = await browser();
  const other = await open(context);
  await Promise.all([type(page, "oil painting"), type(other, "night vision camera")]);
  const [one, two] = [await pixels(page, "#strip img"), await pixels(other, "#strip img")];
  assert.ok(apart(one, two) > 5);
  await type(other, "oil painting");
  assert.deepEqual(await pixels(other, "#strip img"), one);
  await context.close();
});

function pictures(count, side, width = 64) {
  return Array.from({ length: count }, (_, i) => {
    const value = (x, y) => 90 + 60 * Math.sin((x / 3 + y * (i + 1)) / 9) + 30 * (x % 3);
    const shade = side === "target" ? (x, y) => 255 - value(x, y) : value;
    return file(`picture-${String(i).padStart(2, "0")}.png`, png(width, 64, shade));
  });
}
const card = (page, state) => page.waitForSelector(`[data-training]${state}`, { timeout: 300_000, state: "attached" });

test("two files for one side of a pair are not paired by chance", async ({ page }) => {
  await page.click("#tab-style");
  for (const part of ["train", "val"]) {
    mkdirSync(`${WORK}/set/${part}`, { recursive: true });
    writeFileSync(`${WORK}/set/${part}/0000.png`, png(64, 64, (x) => x));
  }
  await page.setInputFiles("#input-folder", `${WORK}/set`);
  await page.waitForFunction(() => document.querySelector("#pairs li.bad")?.textContent.includes("two “before” pictures"));
  const said = await page.textContent("#pairs li.bad");
  assert.ok(["set/train/0000.png", "set/val/0000.png"].every((path) => said.includes(path)), said);
  await page.click("#remove-bad");
  await page.waitForFunction(() => document.querySelectorAll("#pairs li").length === 0);
});

test("pairs are shown with their problems, and two epochs are trained", async ({ page }) => {
  await page.click("#tab-style");
  await page.setInputFiles("#input-files", [...pictures(10, "input"), file("alone.png", png(64, 64, (x) => x))]);
  await page.waitForFunction(() => document.querySelectorAll("#pairs li").length === 11);
  await page.setInputFiles("#target-files", pictures(10, "target"));
  await page.waitForFunction(() => document.querySelectorAll("#pairs li.bad").length === 1);
  assert.match(await page.textContent("#pairs li.bad"), /no “after” picture/);
  await page.fill("#style-prompt", "photographic negative");
  assert.ok(await page.isDisabled("#begin"));
  await page.click("#remove-bad");
  await page.waitForSelector("#begin:not([disabled])");
  await page.fill("#epochs", "2");
  await page.check("#rival");
  await page.click("#begin");
  await card(page, "[data-state=finished][data-epochs='2']");
  assert.equal(await page.locator("article svg.curve path").count(), 3, "an axis and two curves");
  assert.ok((await page.locator("article .previews img").count()) >= 8);
  const report = JSON.parse(await downloaded(page, "article button:text('Report')"));
  assert.equal(report.version, 3);
});

test("a training is paused, reloaded, resumed, and survives the server's end", async ({ page }) => {
  assert.equal(await page.locator("#pairs li").count(), 10);
  await page.fill("#epochs", "12");
  await page.uncheck("#rival");
  await page.click("#begin");
  await card(page, "[data-state=running]:not([data-epochs='0'])");
  await page.reload();
  await card(page, "[data-state=running]");
  await page.click("[data-state=running] button:text('Pause')");
  await card(page, "[data-state=paused]");
  await page.reload();
  await page.click("[data-state=paused] button:text('Resume')");
  await card(page, "[data-state=running]");
  // The page is elsewhere while the server is away.
  await page.goto("about:blank");
  const port = new URL(base).port;
  assert.equal(await endServer(), 0, "a clean end");
  await startServer(port);
  await page.goto(base);
  await page.click("#tab-style");
  await card(page, "[data-state=finished][data-epochs='12']");
  const before = await count(page);
  await page.click("[data-epochs='12'] button:text('Use this style')");
  await settled(page, before);
  assert.match(await page.textContent("#by-training"), /photographic negative/);
  assert.ok(apart(await pixels(page, "#before"), await pixels(page, "#after")) > 20);
  await page.click("#leave-training");
});

test("latency and memory (printed, not judged)", async ({ page }) => {
  await settled(page, await count(page) - 1);
  const words = ["red", "green", "blue", "amber", "teal"];
  const latencies = [];
  for (let i = 0; i < 20; i++) {
    const before = await count(page);
    await page.fill("#prompt", `${words[i % 5]} ${["oil painting", "charcoal sketch"][i % 2]}`);
    await settled(page, before);
    latencies.push(await page.evaluate(() => Number(document.body.dataset.latency)));
  }
  console.log(`  key press to new picture: median of 20 ${median(latencies).toFixed(0)} ms (60 ms of it wait for the next key)`);
  const ask = (from, to) => page.evaluate(async ([from, to]) => {
    for (let i = from; i < to; i++) {
      const photos = [{ sample: i % 8 }];
      const answer = await fetch("/api/edit", { method: "POST", body: JSON.stringify({ prompt: `oil painting ${i}`, photos }) });
      await answer.json();
    }
  }, [from, to]);
  await ask(0, 20);
  const memory = [rss()];
  for (let i = 0; i < 5; i++) {
    await ask(20 + 100 * i, 120 + 100 * i);
    memory.push(rss());
  }
  console.log(`  resident memory after 20, 120, …, 520 prompts: ${memory.map((m) => m.toFixed(0)).join(", ")} MiB`);
});

async function screenshots(context) {
  mkdirSync(SHOTS, { recursive: true });
  const page = await open(context);
  for (const [width, height] of [[1280, 860], [390, 844]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      for (const tab of ["prompt", "style"]) {
        await page.click(`#tab-${tab}`);
        await page.waitForTimeout(200);
        await page.evaluate(() => document.activeElement.blur());
        await page.screenshot({ path: `${SHOTS}/${tab}-${width}-${colorScheme}.png`, fullPage: width < 500 });
      }
    }
  }
}

await startServer();
const context = await browser();
let failed = 0;
try {
  const page = await open(context);
  for (const [name, body] of tests) {
    try {
      await body({ page });
      assert.deepEqual(complaints, []);
      console.log(`ok    ${name}`);
    } catch (error) {
      failed += 1;
      refusalsExpected = false;
      complaints.length = 0;
      console.log(`FAIL  ${name}\n${error.stack}`);
    }
  }
  if (SHOTS) await screenshots(context);
} finally {
  await context.close();
  server.kill("SIGKILL");
}
console.log(`${tests.length - failed} of ${tests.length} browser tests passed`);
process.exit(failed ? 1 : 0);
