// A mask as the strokes it was painted with: white is drawn anew, black stays.

// A stroke is {size, erase, points: [[x, y], ...]} in pixels of the picture, or {all: true | false}.
export function paint(context, strokes, { width, height }, white, black) {
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, width, height);
  if (black) fill(context, width, height, black);
  for (const stroke of strokes) {
    const colour = stroke.erase ? black : white;
    context.globalCompositeOperation = colour ? "source-over" : "destination-out";
    if (stroke.all) fill(context, width, height, colour ?? "#000");
    else line(context, stroke, colour ?? "#000");
  }
}

function fill(context, width, height, colour) {
  context.fillStyle = colour;
  context.fillRect(0, 0, width, height);
}

function line(context, { size, points }, colour) {
  Object.assign(context, { strokeStyle: colour, lineWidth: size, lineCap: "round", lineJoin: "round" });
  context.beginPath();
  points.forEach(([x, y]) => context.lineTo(x, y));
  if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
  context.stroke();
}

// The mask as a PNG in a data URL, or null where nothing is white.
export function mask_of(strokes, { width, height }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  paint(context, strokes, canvas, "#fff", "#000");
  const { data } = context.getImageData(0, 0, width, height);
  for (let k = 0; k < data.length; k += 4) {
    const white = data[k] >= 128 ? 255 : 0; // the soft edge of a stroke belongs to one side or the other
    data[k] = data[k + 1] = data[k + 2] = white;
  }
  if (!data.some((value, k) => k % 4 === 0 && value)) return null;
  context.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas.toDataURL("image/png");
}
