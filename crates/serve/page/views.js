// What the page shows: of an answer bars, the picture that the network sees, and feature maps; and
// what the network says of itself.

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

/** Shows the feature maps of a layer. They share one scale, so that weak ones look weak. */
function paintMaps(layer, count, values, origin) {
  const most = (some) => some.reduce((largest, value) => Math.max(largest, value), 0);
  const strongest = Math.max(most(values), 1e-6);
  const size = values.length / count;
  const side = Math.sqrt(size);
  const maps = find(layer);
  while (maps.children.length < count) {
    maps.append(document.createElement("canvas"));
  }
  [...maps.children].forEach((canvas, index) => {
    const own = values.subarray(index * size, (index + 1) * size);
    [canvas.width, canvas.height] = [side, side];
    canvas.title = `Map ${index + 1} of ${count}: where ${origin} matches the pattern that this map looks for. `
      + `Its strongest response is ${most(own).toFixed(2)}, that of all maps ${strongest.toFixed(2)}.`;
    paint(canvas, own.map((value) => value / strongest), colour);
  });
  find(`${layer}-size`).textContent = `${count} maps of ${side}×${side}`;
}

/** How pictures become the 28x28 pixels, by the names that weights files have for it. */
const PREPARED = {
  ink: "its ink is found, made white on black, scaled and centred as MNIST’s digits are",
  resize: "the whole picture in grey, resized with its aspect kept",
  "as-is": "28×28 pixels as they are, in grey; pictures of other sizes are resized",
};

/** Bars at most; of more classes the most probable have one. */
const BARS = 10;

/** Shows what a network says of itself, and the file that it comes from, if any. */
function describe(about, source) {
  const { class_names: names, preparation, dataset, lenet_version: version, parameters } = about;
  const isDigits = names.join("") === "0123456789";
  const count = `${names.length} class${names.length === 1 ? "" : "es"}`;
  const put = (id, text) => {
    find(id).textContent = text;
  };
  put("lead", isDigits
    ? "Draw a digit; LeNet-5 recognises it as you draw."
    : `Draw or open a picture; LeNet-5 says which of its ${count} it is.`);
  document.title = isDigits ? "lenet: draw a digit" : `lenet: ${dataset ?? count}`;
  const origin = [source, dataset && `trained on ${dataset}`, count].filter(Boolean).join(", ");
  put("network", `Network: ${origin}`);
  put("parameters", parameters.toLocaleString("en"));
  put("origin", dataset ? `${dataset}, by lenet ${version}` : "images that its file does not name");
  put("classes", `${names.length}: ${names.join(", ")}`);
  put("preparation", PREPARED[preparation ?? "ink"]);
}

export class Views {
  #rows;
  #names;
  #spoken;

  /** `about` is what the network says of itself, `source` the file that it was opened from. */
  constructor(about, source) {
    describe(about, source);
    this.#names = about.class_names;
    find("bars").replaceChildren();
    this.#rows = this.#names.slice(0, BARS).map(() => {
      const row = document.createElement("li");
      const part = (kind) => {
        const element = document.createElement("span");
        element.className = kind;
        return element;
      };
      const track = document.createElement("div");
      const bar = document.createElement("div");
      track.className = "track";
      bar.className = "bar";
      track.append(bar);
      const [name, figure] = [part("name"), part("part")];
      row.append(name, track, figure);
      find("bars").append(row);
      return { row, name, bar, figure };
    });
  }

  /** Shows an answer. */
  show(answer) {
    const probabilities = answer.blank ? this.#names.map(() => 0) : [...answer.probabilities];
    const ranked = probabilities.map((part, index) => ({ part, index }));
    ranked.sort((a, b) => b.part - a.part);
    const isRanked = this.#names.length > BARS;
    find("bars").classList.toggle("waiting", isRanked && answer.blank);
    this.#rows.forEach(({ row, name, bar, figure }, place) => {
      const index = isRanked ? ranked[place].index : place;
      const part = probabilities[index];
      name.textContent = this.#names[index];
      name.title = this.#names[index];
      row.classList.toggle("first", !answer.blank && index === ranked[0].index);
      row.dataset.probability = answer.blank ? "" : part;
      bar.hidden = part === 0;
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
      const isStrange = answer.several || answer.familiar === false;
      const strange = answer.several ? "several digits: draw one" : "unlike any training image";
      // A second class that would read 0.0 % is none.
      const others = second?.part >= 0.0005 ? `then ${second.name}, ${percent(second.part)}` : "";
      words.replaceChildren(strong, isStrange ? strange : others);
      find("digit").classList.toggle("strange", isStrange);
      find("digit").classList.toggle("long", best.name.length > 2);
      this.#say(`${best.name}, ${isStrange ? strange : percent(best.part)}`);
    }
    find("inside").classList.toggle("waiting", answer.blank);
    if (!answer.blank) {
      paint(find("image"), Float32Array.from(answer.image), (grey) => [grey, grey, grey]);
      paintMaps("first", 6, answer.firstMaps, "the image");
      paintMaps("second", 16, answer.secondMaps, "a combination of the first maps");
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
