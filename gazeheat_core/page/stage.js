// The picture with its heatmap, drawn by Plotly over the same element each time.
//
// Plotly has the heatmap as a second picture over the first, painted here from the levels of
// its cells: a tick then changes one picture, where a trace of Plotly's would take 40 ms.
//
// data.script: the address of Plotly's script. Without a figure it is only fetched.
// data.figure: what to draw, data.words: the same in words.
// data.look: kind, opacity, colours and bottom of the figure; data.scales: [level, r, g, b] of
// every map. data.unit: the largest value, and the sign of its unit.
// Where the figure's dragmode is "select", a drag marks a rectangle; Python gets it, with
// data.study.
// data.notDrawn: the sentence for a script that did not arrive.

const NORMAL_TEXT_PX = 16;
const ZOOM_STEP = 1.5;
const MOST_ZOOM = 40;
const MOVE_SHARE = 0.15;
const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false };
// What a sheet of A4 has for the chart, between its margins and beside the words on it.
const SHEET = { width: 700, height: 870 };
const PRINTS = ["beforeprint", "afterprint"];
const BLACK_TO_WHITE = [[0, 0, 0, 0], [255, 255, 255, 255]];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
// The settings that act at once, where the page keeps them.
const OPACITY = ".st-key-opacity input[type=range]";
const COLOURS = ".st-key-colours input";

const stages = new WeakMap();
let script;

export default function ({ data, parentElement, setStateValue }) {
  if (!data.figure) {
    fetchPlotly(data.script).catch(() => {}); // said where there is something to draw
    return;
  }
  if (!stages.has(parentElement)) stages.set(parentElement, new Stage(parentElement));
  const stage = stages.get(parentElement);
  stage.take(data, setStateValue);
  return () => stage.leave();
}

/** Return a promise of Plotly; the script is asked for once, and again where it was lost. */
function fetchPlotly(address) {
  script ??= new Promise((resolve, reject) => {
    const tag = document.createElement("script");
    tag.src = new URL(address, document.baseURI);
    tag.onload = () => (window.Plotly ? resolve(window.Plotly) : reject());
    tag.onerror = reject;
    document.head.append(tag);
  });
  script.catch(() => (script = undefined));
  return script;
}

/** Return the numbers of an array of bytes, as the chart writes them. */
function bytesOf({ bdata }) {
  const text = atob(bdata);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Return the cells of the chart's heatmap, or undefined where there is no gaze. */
function cellsOf(trace) {
  if (!trace) return undefined;
  const { z, customdata, x0, dx, y0, dy } = trace;
  const [rows, columns] = z.shape.split(",").map(Number);
  let percent;
  return {
    ...{ rows, columns, x0, dx, y0, dy },
    text: z.bdata,
    levels: () => bytesOf(z),
    percent: () => (percent ??= bytesOf(customdata)),
  };
}

/** Return in which of a number of cells a place on a side of the picture lies. */
function cellAt(place, side, count) {
  return clamp(Math.floor((place / side) * count), 0, count - 1);
}

/** Return red, green and blue of a level, on the straight line between two stops. */
function colourAt(stops, level) {
  const after = Math.max(stops.findIndex(([stop]) => stop >= level), 1);
  const [from, to] = [stops[after - 1], stops[after]];
  const share = (level - from[0]) / (to[0] - from[0]);
  return [1, 2, 3].map((c) => from[c] + (to[c] - from[c]) * share);
}

/** Return the first level that is not below the bottom, which is in percent of the top. */
function firstShown(bottom) {
  return Math.ceil((255 * bottom) / 100 - 1e-9);
}

/** Return red, green, blue and alpha of every level: `layer_table` of the files is the same. */
function layerTable(stops, { kind, opacity, bottom }) {
  const cover = roundToEven(255 * opacity);
  const first = firstShown(bottom);
  const table = new Uint8ClampedArray(4 * 256);
  for (let level = 0; level < 256; level++) {
    const seen = level < first ? 0 : level;
    const isSpotlight = kind === "spotlight";
    const colour = isSpotlight ? [0, 0, 0] : colourAt(stops, level);
    table.set([...colour, Math.min(isSpotlight ? 255 - seen : seen, cover)], 4 * level);
  }
  return table;
}

/** Return a picture of the heatmap, one pixel for each of its cells, as a data address. */
function paint({ levels, columns, rows }, table) {
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const from = new Uint32Array(table.buffer);
  const to = new Uint32Array(image.data.buffer);
  levels().forEach((level, i) => (to[i] = from[level]));
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/** Return the colours of the bar: clear below the bottom, in a spotlight black. */
function barScale(stops, { kind, bottom }) {
  const isSpotlight = kind === "spotlight";
  const from = isSpotlight ? BLACK_TO_WHITE : stops;
  const first = firstShown(bottom);
  const edge = colourAt(from, first);
  const above = from.filter(([level]) => level > first);
  const shown = first ? [[first - 0.5, ...edge], [first, ...edge], ...above] : from;
  const scale = shown.map(([level, r, g, b]) => [level / 255, `rgb(${r},${g},${b})`]);
  const below = isSpotlight ? "rgb(0,0,0)" : "rgba(0,0,0,0)";
  return first ? [[0, below], [(first - 0.5) / 255, below], ...scale] : scale;
}

/** Write a part of the largest value in its unit, as finely as one percent of it is. */
function valueText(percent, { maximum, sign }) {
  const decimals = maximum > 0 ? clamp(2 - Math.floor(Math.log10(maximum) + 1e-9), 0, 9) : 0;
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return `${((percent * maximum) / 100).toLocaleString("en-US", digits)} ${sign}`;
}

/** Round as Python does: a half to the even neighbour. */
function roundToEven(number) {
  const below = Math.floor(number);
  return number - below === 0.5 ? below + (below % 2) : Math.round(number);
}

function clamp(number, least, most) {
  return Math.min(Math.max(number, least), most);
}

class Stage {
  constructor(parent) {
    this.root = parent.querySelector(".gazeheat-stage");
    this.frame = this.root.querySelector(".frame");
    this.plot = this.root.querySelector(".plot");
    this.tools = this.root.querySelector(".tools");
    this.label = this.root.querySelector(".label");
    this.lost = this.root.querySelector(".lost");
    this.whole = null; // size of the picture
    this.view = null; // the part of it that is shown: left, top, width; null for all of it
    this.ground = ""; // address of the picture that has been fetched
    this.drawn = ""; // what was drawn last, without the heatmap
    this.heat = ""; // the address of the heatmap in it
    this.painted = {}; // what heatmap was painted last, and its address
    this.turn = 0;
    this.listen();
  }

  /** Take what the server has to say. */
  take(data, setStateValue) {
    this.data = data;
    const isHeatmap = ({ type }) => type === "heatmap";
    const { data: traces, layout } = data.figure;
    this.cells = cellsOf(traces.find(isHeatmap));
    this.figure = { data: traces.filter((trace) => !isHeatmap(trace)), layout };
    // Colours are the look's part; without them the figure says what else has changed.
    for (const { marker, line } of this.figure.data) {
      delete marker?.colorscale;
      delete line?.color;
    }
    // As it came: Plotly leaves notes of its own in what it draws.
    this.text = JSON.stringify(this.figure);
    this.setStateValue = setStateValue;
    this.draw();
  }

  leave() {
    if (this.root.isConnected) return; // another run of the same component goes on
    this.sizes.disconnect();
    this.settings.disconnect();
    for (const kind of PRINTS) removeEventListener(kind, this.print);
    window.Plotly?.purge(this.plot);
  }

  // --- Drawing -----------------------------------------------------------------------

  async draw() {
    const { data } = this;
    const turn = ++this.turn;
    this.root.hidden = false;
    if (!this.drawn) this.arrange();
    try {
      this.plotly ??= await fetchPlotly(data.script);
    } catch {
      this.sayLost();
      return;
    }
    const ground = this.figure.layout.images[0].source;
    if (ground !== this.ground) {
      // The old picture stays until the new one can be shown.
      this.image = new Image();
      this.image.src = new URL(ground, document.baseURI);
      await this.image.decode().catch(() => {});
    }
    if (turn !== this.turn) return; // there is something newer to draw
    if (ground !== this.ground) this.view = null;
    this.ground = ground;
    this.arrange();
    const place = this.measure();
    const look = this.look();
    const heat = this.paint(look);
    // What Plotly draws in the look; the heatmap has its own address.
    const { kind, bottom, colours } = look;
    const strength = kind === "contours" ? look.opacity : "";
    const parts = [this.text, place, kind, bottom, colours, strength, heat !== ""];
    const drawn = JSON.stringify(parts);
    if (drawn === this.drawn && heat === this.heat) return;
    if (drawn === this.drawn) {
      this.plotly.relayout(this.plot, { "images[1].source": heat });
    } else {
      const { data: traces, layout } = this.compose(place, look, heat);
      const isFirst = !this.plot.classList.contains("js-plotly-plot");
      this.plotly.react(this.plot, traces, layout, CONFIG);
      if (isFirst) this.listenToPlotly();
    }
    Object.assign(this, { drawn, heat });
    Object.assign(this.frame.dataset, look);
    this.frame.dataset.drawings = Number(this.frame.dataset.drawings ?? 0) + 1;
    this.label.hidden = true; // it may say what is no longer so
    this.showTools();
  }

  /** Return the address of the heatmap in a look; it is painted once. */
  paint(look) {
    const { cells } = this;
    if (!cells || look.kind === "contours") return "";
    const wanted = JSON.stringify([look, cells.text]);
    if (wanted !== this.painted.wanted) {
      const table = layerTable(this.data.scales[look.colours], look);
      this.painted = { wanted, source: paint(cells, table) };
    }
    return this.painted.source;
  }

  /** Give the frame its shape, and its words. */
  arrange() {
    const { figure } = this;
    const { words } = this.data;
    const { sizex, sizey } = figure.layout.images[0];
    const { margin } = figure.layout;
    this.whole = { width: sizex, height: sizey };
    const style = this.root.style;
    style.setProperty("--aspect", sizex / sizey);
    style.setProperty("--bar", `${(margin.l + margin.r) / NORMAL_TEXT_PX}rem`);
    style.setProperty("--frame", `${margin.t + margin.b}px`);
    this.frame.setAttribute("aria-label", words);
  }

  /** Return what the figure has to fit: the sizes, the colours and the type of the page. */
  measure() {
    const page = getComputedStyle(this.root);
    return {
      ...(this.isPrinted ? this.onPaper() : this.inWindow()),
      ink: page.getPropertyValue("--st-text-color"),
      family: page.getPropertyValue("--st-font"),
    };
  }

  inWindow() {
    return {
      width: this.plot.clientWidth,
      height: this.plot.clientHeight,
      text: parseFloat(getComputedStyle(document.documentElement).fontSize),
    };
  }

  /** Return the sizes of the chart on an upright sheet, where its type is 9 pt. */
  onPaper() {
    const { l, r, t, b } = this.figure.layout.margin;
    const aspect = this.whole.width / this.whole.height;
    const height = Math.min(SHEET.height - t - b, (SHEET.width - l - r) / aspect);
    return { width: height * aspect + l + r, height: height + t + b, text: NORMAL_TEXT_PX };
  }

  /** Return the figure in a place and a look, with the heatmap over the picture. */
  compose({ width, height, text, ink, family }, look, heat) {
    const { figure } = this;
    const { margin, images: [ground] } = figure.layout;
    const font = { family, color: ink, size: 0.75 * text };
    const { x, y } = this.ranges();
    // Held by its other edge: of two pictures that are held alike, Plotly draws one.
    const over = { ...ground, source: heat, x: ground.sizex, xanchor: "right" };
    const layout = {
      ...figure.layout,
      images: heat ? [ground, over] : [ground],
      width,
      height,
      font,
      margin: { ...margin, r: (margin.r * text) / NORMAL_TEXT_PX },
      xaxis: { ...figure.layout.xaxis, range: x },
      yaxis: { ...figure.layout.yaxis, range: y },
      hovermode: false,
    };
    layout.annotations = this.labels(look, layout, text);
    const stops = this.data.scales[look.colours];
    const colorscale = barScale(stops, look);
    const data = figure.data.map((trace) => {
      if (trace.line) {
        const color = `rgb(${colourAt(stops, trace.meta)})`;
        const line = { ...trace.line, color, width: (trace.line.width * text) / NORMAL_TEXT_PX };
        return { ...trace, opacity: look.opacity, line };
      }
      const title = { ...trace.marker.colorbar.title, font };
      const colorbar = { ...trace.marker.colorbar, title, tickfont: font, thickness: text };
      return { ...trace, marker: { ...trace.marker, colorscale, colorbar } };
    });
    return { data, layout };
  }

  /** Return the labels of contours, those that have room: on a phone they come close. */
  labels({ opacity }, { width, height, margin }, text) {
    const shown = width - margin.l - margin.r;
    const scale = Math.min(shown / this.whole.width, height / this.whole.height);
    const taken = [];
    const labels = this.figure.layout.annotations ?? [];
    return labels.flatMap((label) => {
      if (label.name === "region") return [label]; // always there
      const size = (label.font.size * text) / NORMAL_TEXT_PX;
      const [x, y] = [label.x * scale, label.y * scale];
      const half = { x: 0.3 * size * (label.text.length + 1), y: 0.8 * size };
      const isTaken = taken.some((one) =>
        Math.abs(one.x - x) < one.half.x + half.x && Math.abs(one.y - y) < one.half.y + half.y);
      if (isTaken) return [];
      taken.push({ x, y, half });
      return [{ ...label, opacity, font: { ...label.font, size } }];
    });
  }

  /** Return the look, opacity and colours as the page's settings have them, before the server. */
  look() {
    const { look, scales } = this.data;
    const opacity = document.querySelector(OPACITY)?.value;
    const colours = document.querySelector(COLOURS)?.value.toLowerCase();
    return {
      ...look,
      opacity: opacity ? Number(opacity) : look.opacity,
      colours: colours in scales ? colours : look.colours,
    };
  }

  /** Draw the chart for paper, or for the window again.
   *
   * A sheet may have another shape: there, the chart is scaled by its viewBox, see print.css.
   */
  print = ({ type }) => {
    if (!this.drawn) return;
    this.isPrinted = type === "beforeprint";
    this.draw(); // at once, since all that it needs has been fetched
    const { width, height } = this.onPaper();
    this.frame.style.setProperty("--printed", width / height);
    for (const chart of this.plot.querySelectorAll(".main-svg")) {
      if (this.isPrinted) chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
      else chart.removeAttribute("viewBox");
    }
  };

  sayLost() {
    this.lost.querySelector("p").textContent = this.data.notDrawn;
    this.lost.hidden = false;
    this.lost.querySelector("button").onclick = () => {
      this.lost.hidden = true;
      this.draw();
    };
  }

  /** Say what lies under the pointer, as the chart's own words for it. */
  hover(event) {
    const { cells, label } = this;
    const [across, down] = this.placeOf(event);
    const isInside = event.target.closest(".nsewdrag") !== null;
    label.hidden = !cells || !isInside || event.buttons !== 0;
    if (label.hidden) return;
    const { x, y } = this.ranges();
    const column = cellAt(x[0] + across * (x[1] - x[0]), this.whole.width, cells.columns);
    const row = cellAt(y[1] + down * (y[0] - y[1]), this.whole.height, cells.rows);
    const percent = cells.percent()[row * cells.columns + column];
    const [xPx, yPx] = [cells.x0 + column * cells.dx, cells.y0 + row * cells.dy];
    const value = valueText(percent, this.data.unit);
    label.textContent = `${value}\nx ${xPx.toFixed()} px, y ${yPx.toFixed()} px`;
    // Beside the pointer, on the side where there is room for it.
    const frame = this.frame.getBoundingClientRect();
    label.classList.toggle("left", across > 0.5);
    label.classList.toggle("above", down > 0.5);
    label.style.left = `${event.clientX - frame.left}px`;
    label.style.top = `${event.clientY - frame.top}px`;
  }

  // --- Zoom --------------------------------------------------------------------------

  /** Return the shown part of the picture as ranges of the axes. */
  ranges() {
    const { width, height } = this.whole;
    const { left, top, share } = this.view ?? { left: 0, top: 0, share: 1 };
    return { x: [left, left + share * width], y: [top + share * height, top] };
  }

  /** Show another part: `share` of the picture from `left` and `top`, kept inside of it. */
  show(left, top, share) {
    const { width, height } = this.whole;
    const inside = clamp(share, 1 / MOST_ZOOM, 1);
    this.view = inside === 1 ? null : {
      left: clamp(left, 0, (1 - inside) * width),
      top: clamp(top, 0, (1 - inside) * height),
      share: inside,
    };
    // Fingers and wheels are quicker than the screen.
    this.frameAsked ??= requestAnimationFrame(() => {
      this.frameAsked = undefined;
      const { x, y } = this.ranges();
      this.plotly.relayout(this.plot, { "xaxis.range": x, "yaxis.range": y });
    });
    this.showTools();
  }

  /** Zoom by a factor, about a place in the shown part (shares of it). */
  zoom(factor, across = 0.5, down = 0.5) {
    const { width, height } = this.whole;
    const { left, top, share } = this.view ?? { left: 0, top: 0, share: 1 };
    const next = clamp(share / factor, 1 / MOST_ZOOM, 1);
    this.show(
      left + (share - next) * across * width,
      top + (share - next) * down * height,
      next,
    );
  }

  move(right, down) {
    if (!this.view) return;
    const { left, top, share } = this.view;
    const { width, height } = this.whole;
    this.show(left + right * share * width, top + down * share * height, share);
  }

  /** Return where a pointer is, as shares of the shown part. */
  placeOf({ clientX, clientY }) {
    const at = this.plot.querySelector(".nsewdrag").getBoundingClientRect();
    return [
      clamp((clientX - at.left) / at.width, 0, 1),
      clamp((clientY - at.top) / at.height, 0, 1),
    ];
  }

  showTools() {
    const share = this.view?.share ?? 1;
    const isIdle = { in: share <= 1 / MOST_ZOOM, out: share === 1, whole: share === 1 };
    for (const button of this.tools.children) {
      // A button that is disabled would lose the focus.
      button.setAttribute("aria-disabled", isIdle[button.dataset.tool]);
    }
  }

  // --- Listening ---------------------------------------------------------------------

  listen() {
    const act = { in: () => this.zoom(ZOOM_STEP), out: () => this.zoom(1 / ZOOM_STEP) };
    act.whole = () => this.show(0, 0, 1);
    for (const button of this.tools.children) {
      button.onclick = () => {
        if (button.getAttribute("aria-disabled") !== "true") act[button.dataset.tool]();
      };
    }
    this.tools.addEventListener("keydown", (event) => {
      const step = ARROWS[event.key];
      if (!step) return;
      event.preventDefault();
      this.move(MOVE_SHARE * step[0], MOVE_SHARE * step[1]);
    });
    this.plot.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
        event.preventDefault();
        this.zoom(2 ** (-event.deltaY / (event.deltaMode ? 10 : 250)), ...this.placeOf(event));
      },
      { passive: false },
    );
    this.plot.addEventListener("mousemove", (event) => this.drawn && this.hover(event));
    for (const kind of ["mousedown", "mouseleave", "wheel"]) {
      this.plot.addEventListener(kind, () => (this.label.hidden = true), { passive: true });
    }
    this.listenToFingers();
    for (const kind of PRINTS) addEventListener(kind, this.print);
    this.sizes = new ResizeObserver(() => this.drawn && this.draw());
    this.sizes.observe(this.plot);
    // A text of another size leaves the plot's size alone where the window is narrow.
    this.sizes.observe(this.tools);
    this.settings = new MutationObserver(() => {
      if (!this.root.isConnected) this.leave();
      else if (this.drawn) this.followSettings();
    });
    this.settings.observe(document.body, {
      subtree: true,
      attributeFilter: ["aria-valuetext", "value"],
    });
  }

  followSettings() {
    const { opacity, colours } = this.look();
    const look = `${colours} ${opacity}`;
    if (look === this.followed) return;
    this.followed = look;
    this.draw();
  }

  /** Two fingers zoom and move; one scrolls the page, and Plotly hears of neither. */
  listenToFingers() {
    let last;
    const between = ([one, other]) => ({
      clientX: (one.clientX + other.clientX) / 2,
      clientY: (one.clientY + other.clientY) / 2,
      apart: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY),
    });
    const hear = (event) => {
      event.stopPropagation();
      if (event.touches.length !== 2) {
        last = undefined;
        return;
      }
      event.preventDefault();
      const now = between(event.touches);
      if (last) {
        const [across, down] = this.placeOf(now);
        const [acrossBefore, downBefore] = this.placeOf(last);
        this.zoom(now.apart / last.apart, across, down);
        this.move(acrossBefore - across, downBefore - down);
      }
      last = now;
    };
    for (const kind of ["touchstart", "touchmove", "touchend", "touchcancel"]) {
      this.plot.addEventListener(kind, hear, { capture: true, passive: false });
    }
  }

  listenToPlotly() {
    this.plot.on("plotly_doubleclick", () => this.show(0, 0, 1));
    this.plot.on("plotly_relayout", (changed) => {
      // A rectangle that was drawn for zoom, or a picture that was pushed along.
      if (!Object.keys(changed).some((key) => key.startsWith("xaxis.range"))) return;
      const { range } = this.plot.layout.xaxis;
      const share = (range[1] - range[0]) / this.whole.width;
      const top = this.plot.layout.yaxis.range[1];
      this.view = share > 0.999 ? null : { left: range[0], top, share };
      this.showTools();
    });
    this.plot.on("plotly_selected", (selected) => {
      if (!selected?.range || this.figure.layout.dragmode !== "select") return;
      const { x, y } = selected.range;
      const { study } = this.data;
      // The same rectangle is another message when it is drawn again.
      const corners = [x[0], y[0], x[1], y[1]];
      this.setStateValue("rectangle", { study, corners, at: Date.now() });
    });
  }
}
