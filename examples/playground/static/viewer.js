// The picture before and after, with a slider between.

const viewer = document.getElementById("viewer");
const split = document.getElementById("split");
const images = { before: document.getElementById("before"), after: document.getElementById("after") };

function place() {
  viewer.style.setProperty("--split", `${split.value}%`);
  split.setAttribute("aria-valuetext", `${split.value} per cent before`);
}
split.addEventListener("input", place);
place();

// The frame has the photograph's proportions, within reason.
images.before.addEventListener("load", () => {
  const { naturalWidth, naturalHeight } = images.before;
  viewer.style.aspectRatio = String(Math.min(2, Math.max(0.75, naturalWidth / naturalHeight)));
});

export function show(before, after) {
  if (images.before.src !== before) images.before.src = before;
  if (after && images.after.src !== after) images.after.src = after;
  images.after.hidden = !after;
}
