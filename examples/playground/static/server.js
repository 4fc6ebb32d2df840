// Requests to the server that the page came from.

export class ServerError extends Error {}

async function answer(response) {
  if (response.ok) return response;
  let message = `the server answered ${response.status}`;
  try {
    message = (await response.json()).error ?? message;
  } catch { /* not JSON */ }
  throw new ServerError(message);
}

async function request(path, options = {}) {
  try {
    return await answer(await fetch(path, options));
  } catch (error) {
    if (error instanceof ServerError || error.name === "AbortError") throw error;
    throw new ServerError("the server does not answer; is it still running?");
  }
}

export async function get(path) {
  return (await request(path)).json();
}

function withBody(body, signal) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
}

export async function post(path, body, signal) {
  return (await request(path, withBody(body ?? {}, signal))).json();
}

export async function remove(path) {
  await request(path, { method: "DELETE" });
}

export async function upload(path, file, method = "POST") {
  return request(path, { method, body: file });
}

// Asks for a file and hands it to the browser to save.
export async function take(path, body, name) {
  const blob = await (await request(path, withBody(body))).blob();
  save(blob, name);
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}

export async function toBase64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

// Shows a message, or hides its place.
export function say(place, message) {
  place.textContent = message ?? "";
  place.hidden = !message;
}

// An element with properties and children.
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
