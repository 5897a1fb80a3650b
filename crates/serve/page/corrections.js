// Pictures whose class was corrected: a folder to train on, as a zip file. It is made here, and the
// browser saves it; nothing is sent.

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  }
  return value;
});

const crc32 = (bytes) =>
  ~bytes.reduce((crc, byte) => CRC[(crc ^ byte) & 255] ^ (crc >>> 8), -1) >>> 0;

/** Numbers as bytes, the low one first; each is [number, bytes]. */
const little = (...numbers) =>
  numbers.flatMap(([value, count]) =>
    Array.from({ length: count }, (_, index) => (value >>> (8 * index)) & 255));

/** A number as four bytes, the high one first. */
const big = (value) => little([value, 4]).reverse();

const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

const text = (value) => new TextEncoder().encode(value);

/** A grey picture as a PNG file without compression: a canvas could alter its pixels. */
function png(pixels, side) {
  const chunk = (kind, data) => {
    const body = joined(text(kind), data);
    return joined(big(data.length), body, big(crc32(body)));
  };
  const rows = new Uint8Array((side + 1) * side);
  for (let row = 0; row < side; row += 1) {
    // Each row begins with the kind of its filter, none.
    rows.set(pixels.subarray(row * side, (row + 1) * side), row * (side + 1) + 1);
  }
  // zlib's checksum, Adler-32.
  let [a, b] = [1, 0];
  for (const byte of rows) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  const stored = little([1, 1], [rows.length, 2], [~rows.length, 2]);
  const data = joined([0x78, 1], stored, rows, big(b * 65536 + a));
  const head = joined(big(side), big(side), [8, 0, 0, 0, 0]);
  return joined(
    [0x89, ...text("PNG\r\n"), 0x1a, 10],
    chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", []));
}

/** A zip file without compression; `files` maps paths to bytes. */
function zip(files) {
  const [bodies, entries] = [[], []];
  let offset = 0;
  for (const [path, bytes] of files) {
    const name = text(path);
    // Names are UTF-8 and the date is 1 January 1980, so that equal files have equal bytes.
    const common = little(
      [20, 2], [0x800, 2], [0, 2], [0, 2], [33, 2],
      [crc32(bytes), 4], [bytes.length, 4], [bytes.length, 4], [name.length, 2], [0, 2]);
    const body = joined(little([0x04034b50, 4]), common, name, bytes);
    const place = little([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]);
    entries.push(joined(little([0x02014b50, 4], [20, 2]), common, place, name));
    bodies.push(body);
    offset += body.length;
  }
  const size = entries.reduce((sum, entry) => sum + entry.length, 0);
  const end = little(
    [0x06054b50, 4], [0, 4], [files.size, 2], [files.size, 2], [size, 4], [offset, 4], [0, 2]);
  return new Blob([...bodies, ...entries, Uint8Array.from(end)], { type: "application/zip" });
}

/** A class as the name of a folder on every system. */
const folder = (name) => name.replace(/[\\/:*?"<>|\p{Cc}]|^\.|[. ]$/gu, "_");

export class Corrections {
  // The class of each image of 28x28 pixels.
  #classes = new Map();

  get count() {
    return this.#classes.size;
  }

  /** Keeps the image of an answer; the same image again changes its class. */
  keep(image, name) {
    this.#classes.set(image, name);
  }

  /** Lets the browser save the pictures, in a folder for each class; content names them. */
  download() {
    const files = new Map();
    for (const [image, name] of this.#classes) {
      const bytes = png(image, 28);
      const file = crc32(image).toString(16).padStart(8, "0");
      files.set(`corrections/${folder(name)}/${file}.png`, bytes);
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(zip(files));
    link.download = "corrections.zip";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
