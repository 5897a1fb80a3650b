// The page: loads the network, and runs it whenever the sheet changes or a picture is opened.

import { Corrections } from "./corrections.js";
import { Sheet } from "./sheet.js";
import { Views, giveUp, tell } from "./views.js";

const find = (id) => document.getElementById(id);

/** The longer side of a picture that the browser reads for us: see `readByBrowser`. */
const BROWSER_SIDE = 2048;

/** The longer side of a picture that is kept for the sheet. */
const SHOWN_SIDE = 1024;

let loads = 0;
// The module's class, and the weights file that it is made of.
let Network;
let weights = null;
// Counts weights files: answers of an earlier one are asked for again.
let model = 0;
// Null while it is being replaced.
let network = null;
// Whether there is a network, or a promise of that while it is being replaced.
let ready;
// Failures since the last answer.
let failures = 0;
let maxBytes;
let sheet;
let views;
// What the page shows.
let shown;
const corrections = new Corrections();
let isDue = false;
// Counts changes and files: a file that is still being read when the next comes is not shown.
let latest = 0;

/** Loads the network: each time under another name, because the browser keeps modules. */
async function load() {
  loads += 1;
  const module = await import(loads === 1 ? "./lenet_web.js" : `./lenet_web.js?${loads}`);
  [weights] = await Promise.all([weights ?? served(), module.default()]);
  Network = module.Network;
  network = new Network(weights);
}

/** The weights file beside the page; `lenet serve` has the network that it serves there. */
async function served() {
  const response = await fetch("model.safetensors");
  if (!response.ok) {
    throw new Error(`model.safetensors: ${response.status}`);
  }
  return new Uint8Array(await response.arrayBuffer());
}

/** Shows what the network says of itself; `source` is the file that it comes from, if any. */
function present(source) {
  const about = JSON.parse(network.about);
  views = new Views(about, source);
  const [none, ...others] = find("right").options;
  others.forEach((option) => option.remove());
  none.selected = true;
  find("right").append(...about.class_names.map((name) => new Option(name)));
}

/** Whether the network itself failed: its memory may be in any state then. */
const isTrap = (error) => error instanceof WebAssembly.RuntimeError;

/** Calls `question`, which uses the network; if the network fails, replaces it and draws again. */
function guarded(question) {
  if (network === null) {
    return;
  }
  try {
    question();
  } catch (error) {
    if (!isTrap(error)) {
      throw error;
    }
    ready = replace();
  }
}

/** Replaces a network that failed; returns whether that was possible. */
async function replace() {
  network = null;
  failures += 1;
  try {
    if (failures > 1) {
      throw new Error("the network failed twice in a row");
    }
    await load();
  } catch (error) {
    giveUp("The network has failed. Reload the page to start again.");
    console.error(error);
    return false;
  }
  changed();
  return network !== null;
}

/** The network's answer as plain values, and how long it took. */
function ask(question) {
  const start = performance.now();
  const answer = question();
  const milliseconds = performance.now() - start;
  failures = 0;
  try {
    const { blank, image, probabilities, familiar, several, firstMaps, secondMaps } = answer;
    const picture = keptPicture(answer);
    const values = { blank, image, probabilities, familiar, several, firstMaps, secondMaps };
    return { ...values, milliseconds, picture };
  } finally {
    answer.free();
  }
}

/** A picture for the sheet: the question, which another network may be asked too, and the answer. */
const seen = (question, remark = "") => ({ question, remark, model, answer: ask(question) });

function show(answer) {
  shown = answer;
  find("wrong").hidden = answer.blank && corrections.count === 0;
  find("right").selectedIndex = 0;
  find("keep").disabled = true;
  views.show(answer);
}

/** The picture of an answer as a canvas of limited size, if there is one. */
function keptPicture(answer) {
  const [width, height] = [answer.pictureWidth, answer.pictureHeight];
  if (width === 0) {
    return null;
  }
  const whole = document.createElement("canvas");
  whole.width = width;
  whole.height = height;
  const pixels = new Uint8ClampedArray(answer.picture);
  whole.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  return shrunk(whole, SHOWN_SIDE);
}

/** A copy as a canvas whose sides have at most `most` pixels. */
function shrunk(source, most) {
  const scale = Math.min(1, most / Math.max(source.width, source.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(source.width * scale));
  canvas.height = Math.max(1, Math.round(source.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Classifies the drawing, once before the next frame. */
function askSoon() {
  if (!isDue) {
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (sheet.opened === null) {
        guarded(() => show(ask(() => network.classifyDrawing())));
      }
    });
  }
}

/** The sheet has changed: draws all strokes again for the network. */
function changed() {
  latest += 1;
  guarded(() => {
    network.clear();
    for (const stroke of sheet.strokes) {
      network.draw(Float32Array.from(stroke));
    }
  });
  find("hint").hidden = !sheet.isEmpty;
  find("undo").disabled = !sheet.canUndo;
  find("clear").disabled = sheet.isEmpty;
  tell(sheet.opened?.remark ?? "");
  if (sheet.opened === null) {
    askSoon();
  } else {
    const { opened } = sheet;
    if (opened.model !== model) {
      guarded(() => Object.assign(opened, { model, answer: ask(opened.question) }));
    }
    show(opened.answer);
  }
}

/** Classifies a file that was dropped, pasted, opened or photographed; a weights file is a network. */
async function open(file) {
  latest += 1;
  const own = latest;
  if (file.size > maxBytes) {
    const limit = maxBytes / 2 ** 20;
    tell(`${file.name}: ${(file.size / 2 ** 20).toFixed(0)} MiB; the limit is ${limit} MiB`, true);
    return;
  }
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (!(await ready) || own !== latest) {
      return;
    }
    if (file.name.endsWith(".safetensors")) {
      const next = new Network(bytes);
      network.free();
      [network, weights] = [next, bytes];
      model += 1;
      present(file.name);
      changed();
      return;
    }
    let opened;
    try {
      opened = seen(() => network.classifyFile(bytes));
    } catch (error) {
      if (error.name !== "PictureFormat" && error.name !== "PictureTooLarge") {
        throw error;
      }
      opened = await readByBrowser(file, error);
    }
    if (own === latest) {
      sheet.open(opened);
    }
  } catch (error) {
    if (isTrap(error)) {
      ready = replace();
      if (await ready) {
        tell(`${file.name}: the page cannot read this picture`, true);
      }
    } else if (own === latest) {
      tell(`${file.name}: ${error.message}`, true);
    }
  }
}

/** Lets the browser read a picture whose format or size is not one of lenet's own. */
async function readByBrowser(file, reason) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw reason;
  }
  const canvas = shrunk(bitmap, BROWSER_SIDE);
  bitmap.close();
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  if (!(await ready)) {
    throw reason;
  }
  const remark = "Read by the browser: the format or the size is not one of lenet's own.";
  return seen(() => network.classifyPixels(width, height, data), remark);
}

/** Opens the first file of a clipboard or a drop; without one, says `otherwise`. */
function openFirst({ files: [file] }, otherwise) {
  if (file) {
    open(file);
  } else {
    tell(otherwise, true);
  }
}

function listen() {
  sheet.addEventListener("changed", changed);
  sheet.addEventListener("drawn", ({ detail }) => {
    guarded(() => network.draw(Float32Array.from(detail)));
    askSoon();
  });
  find("undo").addEventListener("click", () => sheet.undo());
  find("clear").addEventListener("click", () => sheet.clear());
  for (const input of [find("file"), find("photo")]) {
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file) {
        await open(file);
      }
      // The same file may be chosen again.
      input.value = "";
    });
  }
  find("right").addEventListener("change", () => {
    find("keep").disabled = shown.blank || find("right").selectedIndex === 0;
  });
  find("keep").addEventListener("click", () => {
    corrections.keep(shown.image, find("right").value);
    const { count } = corrections;
    find("download").hidden = false;
    find("download").textContent = `Download ${count} corrected picture${count > 1 ? "s" : ""}`;
    find("keep").disabled = true;
  });
  find("download").addEventListener("click", () => corrections.download());
  addEventListener("keydown", (event) => {
    if (event.target === find("right")) {
      return;
    }
    const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "z";
    if (isUndo || event.key === "Backspace") {
      event.preventDefault();
      sheet.undo();
    } else if (event.key === "Escape" || event.key === "Delete") {
      sheet.clear();
    }
  });
  addEventListener("paste", (event) => {
    openFirst(event.clipboardData, "There is no picture in the clipboard.");
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    // Left for an element within, it has not left the page.
    if (event.relatedTarget === null) {
      document.body.classList.remove("dropping");
    }
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    openFirst(event.dataTransfer, "What was dropped is not a file.");
  });
}

try {
  await load();
  ready = true;
  maxBytes = network.maxBytes;
  present();
  sheet = new Sheet(find("sheet"), network.pen);
  listen();
  changed();
} catch (error) {
  giveUp("The network could not be loaded: this browser does not support WebAssembly with SIMD, or a file of the page is missing.");
  throw error;
}
