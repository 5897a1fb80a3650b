// The sheet: strokes by pointer and keyboard, their history, and how they look.
//
// A stroke is a flat list of coordinates [x, y, x, y, ...], each a fraction of the sheet's side.

/** How far an arrow key moves the pen. */
const STEP = 0.025;

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Sheet extends EventTarget {
  #canvas;
  #pen;
  // What was done, in order: { stroke }, { opened } or { clear: true }.
  #history = [];
  // The pointer that is drawing, and its stroke.
  #pointer = null;
  // The keyboard's pen; `down` is the stroke that it draws.
  #keys = { x: 0.5, y: 0.5, down: null, held: new Set() };
  #isDue = false;

  /** `pen` is the width of a stroke, as a fraction of the side. */
  constructor(canvas, pen) {
    super();
    this.#canvas = canvas;
    this.#pen = pen;
    canvas.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.#pointerMove(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(end, (event) => this.#pointerUp(event));
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.#keyDown(event));
    canvas.addEventListener("keyup", (event) => this.#keys.held.delete(event.key));
    canvas.addEventListener("focus", () => this.redraw());
    canvas.addEventListener("blur", () => {
      this.#keys.down = null;
      this.#keys.held.clear();
      this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** The visible strokes: those since the sheet was cleared or a picture opened. */
  get strokes() {
    const start = this.#history.findLastIndex((entry) => entry.clear || entry.opened);
    return this.#history.slice(start + 1).map((entry) => entry.stroke);
  }

  /** The visible picture, if any: drawing again hides it. */
  get opened() {
    return this.#history.at(-1)?.opened ?? null;
  }

  get isEmpty() {
    return this.opened === null && this.strokes.length === 0;
  }

  get canUndo() {
    return this.#history.length > 0;
  }

  undo() {
    this.#lift();
    if (this.#history.pop()) {
      this.#changed();
    }
  }

  clear() {
    this.#lift();
    if (!this.isEmpty) {
      this.#history.push({ clear: true });
      this.#changed();
    }
  }

  /** Shows a picture, `opened.answer.picture`, in place of what is there. */
  open(opened) {
    this.#lift();
    this.#history.push({ opened });
    this.#changed();
  }

  /** Paints the sheet before the next frame. */
  redraw() {
    if (!this.#isDue) {
      this.#isDue = true;
      requestAnimationFrame(() => this.#paint());
    }
  }

  #lift() {
    this.#pointer = null;
    this.#keys.down = null;
  }

  /** Repaints, and dispatches `changed`: everything may be different. */
  #changed() {
    this.redraw();
    this.dispatchEvent(new Event("changed"));
  }

  /** A stroke begins. */
  #begin(x, y) {
    const stroke = [x, y];
    this.#history.push({ stroke });
    this.#changed();
    return stroke;
  }

  /** Extends a stroke; `drawn` has the new points and the one before them. */
  #extend(stroke, points) {
    const from = stroke.length - 2;
    stroke.push(...points);
    this.redraw();
    this.dispatchEvent(new CustomEvent("drawn", { detail: stroke.slice(from) }));
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #pointerDown(event) {
    // Only one pointer draws: a palm beside the pen does not.
    if (this.#pointer !== null || event.button !== 0) {
      return;
    }
    // Keeps the keyboard's focus here, and a mouse from dragging.
    event.preventDefault();
    this.#canvas.focus({ preventScroll: true, focusVisible: false });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#keys.down = null;
    this.#pointer = { id: event.pointerId, stroke: this.#begin(...this.#place(event)) };
  }

  #pointerMove(event) {
    if (this.#pointer?.id !== event.pointerId) {
      return;
    }
    const events = event.getCoalescedEvents?.() ?? [];
    const places = (events.length > 0 ? events : [event]).map((one) => this.#place(one));
    this.#extend(this.#pointer.stroke, places.flat());
  }

  #pointerUp(event) {
    if (this.#pointer?.id === event.pointerId) {
      this.#pointer = null;
    }
  }

  #keyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const keys = this.#keys;
    if (event.key in ARROWS) {
      event.preventDefault();
      keys.held.add(event.key);
      // Two arrows at once move diagonally.
      for (const key of keys.held) {
        keys.x = Math.min(Math.max(keys.x + STEP * ARROWS[key][0], 0), 1);
        keys.y = Math.min(Math.max(keys.y + STEP * ARROWS[key][1], 0), 1);
      }
      if (keys.down !== null) {
        this.#extend(keys.down, [keys.x, keys.y]);
      }
      this.redraw();
    } else if (event.key === " " && !event.repeat) {
      event.preventDefault();
      keys.down = keys.down === null ? this.#begin(keys.x, keys.y) : null;
      this.redraw();
    }
  }

  #paint() {
    this.#isDue = false;
    const canvas = this.#canvas;
    const side = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    if (canvas.width !== side) {
      canvas.width = side;
      canvas.height = side;
    }
    const style = getComputedStyle(canvas);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, side, side);
    if (this.opened !== null) {
      drawPicture(context, side, this.opened.answer.picture);
    }
    context.strokeStyle = style.color;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.lineWidth = this.#pen * side;
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(side * stroke[0], side * stroke[1]);
      // A line to its own start is a dot.
      context.lineTo(side * stroke[0], side * stroke[1]);
      for (let i = 2; i < stroke.length; i += 2) {
        context.lineTo(side * stroke[i], side * stroke[i + 1]);
      }
      context.stroke();
    }
    if (canvas.matches(":focus-visible")) {
      this.#paintPen(context, side, style.outlineColor);
    }
  }

  /** The keyboard's pen: a ring, filled while it draws. */
  #paintPen(context, side, accent) {
    const { x, y, down } = this.#keys;
    context.beginPath();
    context.arc(side * x, side * y, (this.#pen * side) / 2, 0, 2 * Math.PI);
    context.lineWidth = 2 * devicePixelRatio;
    context.strokeStyle = accent;
    context.stroke();
    if (down !== null) {
      context.fillStyle = accent;
      context.fill();
    }
  }
}

/** Draws a picture as large as fits, in the middle. */
function drawPicture(context, side, picture) {
  const scale = side / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  context.imageSmoothingEnabled = scale < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (side - width) / 2, (side - height) / 2, width, height);
}
