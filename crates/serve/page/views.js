// What the page shows of an answer: bars, the picture that the network sees, and feature maps.

const find = (id) => document.getElementById(id);

// From nothing to the strongest response.
const RAMP = [
  [7, 10, 18],
  [30, 84, 180],
  [126, 190, 255],
  [250, 252, 255],
];

/** The colour of a response from 0 to 1. */
function colour(value) {
  const at = Math.min(Math.max(value, 0), 1) * (RAMP.length - 1);
  const below = Math.min(Math.floor(at), RAMP.length - 2);
  const part = at - below;
  return RAMP[below].map((low, channel) => low + part * (RAMP[below + 1][channel] - low));
}

const percent = (part) => {
  const text = (100 * part).toFixed(1);
  // Only certainty reads 100.0.
  return `${text === "100.0" && part < 1 ? "> 99.9" : text} %`;
};

/** Paints `values`, each from 0 to 1, into a square canvas. */
function paint(canvas, values, colourOf) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, index) => {
    image.data.set(colourOf(value), 4 * index);
    image.data[4 * index + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

/** Adds a canvas for each feature map. */
function makeMaps(parent, count, side) {
  return Array.from({ length: count }, () => {
    const canvas = document.createElement("canvas");
    canvas.width = side;
    canvas.height = side;
    parent.append(canvas);
    return canvas;
  });
}

/** Maps of a layer share one scale, so that weak ones look weak. */
function paintMaps(canvases, values) {
  const strongest = values.reduce((most, value) => Math.max(most, value), 1e-6);
  const size = canvases[0].width ** 2;
  canvases.forEach((canvas, index) => {
    const own = values.subarray(index * size, (index + 1) * size);
    paint(canvas, own.map((value) => value / strongest), colour);
  });
}

export class Views {
  #rows;
  #first = makeMaps(find("first"), 6, 28);
  #second = makeMaps(find("second"), 16, 10);
  #names;
  #spoken;

  constructor(names) {
    this.#names = names;
    this.#rows = names.map((name) => {
      const row = document.createElement("li");
      const part = (kind, text = "") => {
        const element = document.createElement("span");
        element.className = kind;
        element.textContent = text;
        return element;
      };
      const track = document.createElement("div");
      const bar = document.createElement("div");
      track.className = "track";
      bar.className = "bar";
      track.append(bar);
      const figure = part("part");
      row.append(part("name", name), track, figure);
      find("bars").append(row);
      return { row, bar, figure };
    });
  }

  /** Shows an answer. */
  show(answer) {
    const probabilities = answer.blank ? this.#names.map(() => 0) : [...answer.probabilities];
    const ranked = probabilities.map((part, index) => ({ part, index }));
    ranked.sort((a, b) => b.part - a.part);
    this.#rows.forEach(({ row, bar, figure }, index) => {
      const part = probabilities[index];
      row.classList.toggle("first", !answer.blank && index === ranked[0].index);
      row.dataset.probability = answer.blank ? "" : part;
      bar.style.transform = `translateX(${100 * (part - 1)}%)`;
      figure.textContent = answer.blank ? "" : percent(part);
    });
    const words = find("words");
    if (answer.blank) {
      find("digit").textContent = "";
      words.replaceChildren("Nothing drawn");
      this.#say("Nothing drawn");
    } else {
      const [best, second] = ranked.map(({ part, index }) => ({ name: this.#names[index], part }));
      find("digit").textContent = best.name;
      const strong = document.createElement("b");
      strong.textContent = percent(best.part);
      words.replaceChildren(strong, `then ${second.name}, ${percent(second.part)}`);
      this.#say(`${best.name}, ${percent(best.part)}`);
    }
    const nothing = (length) => new Float32Array(length);
    const image = answer.blank ? nothing(28 * 28) : Float32Array.from(answer.image);
    paint(find("image"), image, (grey) => [grey, grey, grey]);
    paintMaps(this.#first, answer.blank ? nothing(6 * 28 * 28) : answer.firstMaps);
    paintMaps(this.#second, answer.blank ? nothing(16 * 10 * 10) : answer.secondMaps);
    if (!answer.blank) {
      find("time").textContent = `The last prediction took ${answer.milliseconds.toFixed(1)} ms.`;
      find("time").dataset.milliseconds = answer.milliseconds;
    }
    document.documentElement.dataset.answers =
      1 + Number(document.documentElement.dataset.answers ?? 0);
  }

  /** Tells screen readers the answer once it has settled. */
  #say(text) {
    clearTimeout(this.#spoken);
    this.#spoken = setTimeout(() => {
      find("status").textContent = text;
    }, 400);
  }
}

/** Shows a sentence below the sheet, as an error if `isError`. */
export function tell(text, isError = false) {
  const message = find("message");
  message.textContent = text;
  message.classList.toggle("alarm", isError);
}

/** Shows `text` in place of all answers. */
export function giveUp(text) {
  find("digit").textContent = "";
  find("bars").hidden = true;
  find("inside").hidden = true;
  find("words").textContent = text;
  find("status").textContent = text;
}
