/** Drawing on a canvas: a picture, the map of a word over it, and the difference of two pictures. */

const loaded = new Map(); // url -> promise of an image
const KEPT = 600;

/** A decoded picture, kept for the next time. */
export function load(url) {
  if (!loaded.has(url)) {
    if (loaded.size >= KEPT) loaded.delete(loaded.keys().next().value);
    loaded.set(url, new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => reject(new Error("a picture of the view cannot be decoded"));
      image.src = url;
    }));
  }
  return loaded.get(url);
}

/**
 * Draw ``picture`` and over it ``map`` (both URLs or null) on a canvas as large as the picture is shown.
 * ``style`` is "colour" (a glow, from indigo over vermilion to paper) or "paper" (dark paper, cut out where the word is
 * looked at); ``sharp`` shows cells as squares. Nothing is drawn when ``still()`` has become false while loading.
 */
export async function draw(canvas, { picture, map, style, sharp, still }) {
  const [image, heat] = await Promise.all([picture ? load(picture) : null, map ? load(map) : null]);
  if (!still()) return;
  const pen = canvas.getContext("2d");
  const { width, height } = canvas;
  pen.globalCompositeOperation = "source-over";
  pen.clearRect(0, 0, width, height);
  pen.imageSmoothingEnabled = !(sharp && image && image.width * 2 <= width);
  pen.imageSmoothingQuality = "high";
  if (image) pen.drawImage(image, 0, 0, width, height);
  if (!heat) return;
  pen.imageSmoothingEnabled = true;
  if (style === "colour") {
    pen.fillStyle = "rgb(16 14 22 / 0.34)";
    pen.fillRect(0, 0, width, height);
  }
  pen.drawImage(toned(heat, width, height, style === "paper" ? cutOut : glow), 0, 0);
}

/** The absolute difference of two pictures (URLs, or null), brightened so that small ones are seen. */
export async function drawDifference(canvas, urls, still) {
  const images = await Promise.all(urls.map((url) => (url ? load(url) : null)));
  if (!still()) return;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (images.includes(null)) return;
  images.forEach((image, k) => {
    pen.globalCompositeOperation = k ? "difference" : "source-over";
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  });
  pen.globalCompositeOperation = "lighter";
  pen.drawImage(canvas, 0, 0); // once more the same: twice as bright
  pen.globalCompositeOperation = "source-over";
}

/** A grey map, smoothly enlarged, as a canvas whose colours are ``tone(brightness 0..1)`` -> [r, g, b, a]. */
function toned(heat, width, height, tone) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  pen.drawImage(heat, 0, 0, width, height);
  const pixels = pen.getImageData(0, 0, width, height);
  let low = 255; // what is looked at least is shown as nothing
  for (let k = 0; k < pixels.data.length; k += 4) low = Math.min(low, pixels.data[k]);
  const table = Array.from({ length: 256 }, (_, value) => tone(Math.max(0, value - low) / Math.max(1, 255 - low)));
  for (let k = 0; k < pixels.data.length; k += 4) pixels.data.set(table[pixels.data[k]], k);
  pen.putImageData(pixels, 0, 0);
  return canvas;
}

const GLOW = [[38, 52, 110], [126, 47, 110], [214, 72, 52], [246, 162, 60], [255, 240, 200]];

function glow(value) {
  const place = Math.min(0.9999, value) * (GLOW.length - 1);
  const k = Math.floor(place);
  const part = place - k;
  const mixed = GLOW[k].map((low, c) => low + part * (GLOW[k + 1][c] - low));
  return [...mixed, 255 * Math.min(0.66, 1.3 * value * value + 0.2 * value)];
}

function cutOut(value) {
  const open = Math.min(1, Math.max(0, (value - 0.2) / 0.4));
  return [24, 22, 30, 235 * (1 - open * open * (3 - 2 * open))];
}
