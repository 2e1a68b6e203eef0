// The window of time: from and to, in seconds after each section's start.
//
// data.of: whose window it is. data.turn: the number of the message that this answers to.
// data.longest: seconds of the longest section; data.end: the first step behind its last sample.
// data.step: seconds that an arrow key moves; data.window: [from, to], null for the whole.
// Python gets { of, turn, window }, where the whole is [0, end].

// Exact to a tenth of a millisecond.
const PARTS = 1e4;
const PLAY_STEP_S = 0.1;
// The least time between two places of a window that plays.
const PLAY_MS = 100;
const PLAYED_SHARE = 0.1;
const STEPS = {
  ...{ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 },
  ...{ Home: -Infinity, End: Infinity },
};

const controls = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  if (!controls.has(parentElement)) controls.set(parentElement, new When(parentElement));
  controls.get(parentElement).take(data, setStateValue);
}

function clamp(number, least, most) {
  return Math.min(Math.max(number, least), most);
}

function exact(seconds) {
  return Math.round(seconds * PARTS) / PARTS;
}

/** Return a time in steps, without the noise of a division. */
function stepsTo(seconds, step) {
  return Math.round((seconds / step) * PARTS) / PARTS;
}

/** Write seconds with one decimal, or with as many as they have. */
function inWords(seconds, mostDecimals = 4) {
  const decimals = { minimumFractionDigits: 1, maximumFractionDigits: mostDecimals };
  return seconds.toLocaleString("en", decimals);
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Set what an element is or says, if it is another: what stays the same costs nothing. */
function set(element, property, value) {
  if (element[property] !== value) element[property] = value;
}

class When {
  constructor(parent) {
    for (const part of ["state", "whole", "play", "track", "speed", "said"]) {
      this[part] = parent.querySelector(`.${part}`);
    }
    // The ends as handles and as numbers: from, to.
    this.handles = [...parent.querySelectorAll("input[type=range]")];
    this.fields = [...parent.querySelectorAll("input[type=number]")];
    this.window = null;
    this.told = null; // what the server knows or is about to
    this.isUnderWay = false; // whether the server still has to answer
    this.turn = 0;
    this.playing = null;
    this.typing = null; // the field in which a number is not finished
    this.listen();
  }

  // --- Between browser and server ----------------------------------------------------

  /** Take what the server has to say. */
  take(data, setStateValue) {
    const isOther = !isSame(data.of, this.data?.of);
    Object.assign(this, { data, setStateValue });
    if (isOther || data.turn === this.turn) this.isUnderWay = false;
    // Else it was said before the last message came.
    if (!this.isUnderWay) {
      this.turn = data.turn;
      if (isOther || !isSame(data.window, this.told)) this.obey(data.window);
    }
    this.show();
    this.tell();
  }

  /** Take a window that others than the visitor have set. */
  obey(window) {
    this.pause();
    this.typing = null;
    this.window = this.told = window;
  }

  /** Tell the server of the window, or leave it to the next answer. */
  tell() {
    if (this.isUnderWay || isSame(this.window, this.told)) return;
    this.isUnderWay = true;
    this.told = this.window;
    this.turn += 1;
    this.setStateValue("window", { of: this.data.of, turn: this.turn, window: this.ends() });
  }

  // --- What is shown -----------------------------------------------------------------

  /** Return from and to of the window, or of the whole. */
  ends() {
    return this.window ?? [0, this.data.end];
  }

  /** Return the ends as they are written: the last one is where the last sample is. */
  written() {
    const [from, to] = this.ends();
    const { longest } = this.data;
    return [from, from < longest ? Math.min(to, longest) : to];
  }

  /** Say where the window is. */
  words() {
    if (!this.window) return "Whole section";
    const { longest } = this.data;
    // Of a long section one decimal is enough; it is no number that someone typed.
    const whole = inWords(longest, longest < 1 ? 4 : 1);
    const [from, to] = this.written();
    return `${inWords(from)} to ${to === longest ? whole : inWords(to)} s of ${whole} s`;
  }

  show() {
    const { end } = this.data;
    const written = this.written();
    this.ends().forEach((seconds, i) => {
      const [handle, field] = [this.handles[i], this.fields[i]];
      const name = i ? "--to" : "--from";
      this.track.style.setProperty(name, clamp(seconds / end, 0, 1));
      set(handle, "max", String(end));
      set(handle, "value", String(seconds));
      set(handle, "ariaValueText", `${inWords(written[i])} s`);
      if (field !== this.typing) {
        set(field, "value", written[i].toFixed(4).replace(/0{1,3}$/, ""));
        field.removeAttribute("aria-invalid");
      }
    });
    this.track.classList.toggle("all", !this.window);
    if (!this.typing) {
      set(this.state, "textContent", this.words());
      set(this.state, "title", this.words()); // where it is cut
      this.state.classList.remove("problem");
    }
    set(this.play, "textContent", this.playing ? "Pause" : "Play");
    if (!this.window && this.whole.matches(":focus")) this.play.focus();
    this.whole.classList.toggle("needless", !this.window);
  }

  say(words) {
    set(this.said, "textContent", words);
  }

  // --- Where the window goes -----------------------------------------------------------

  /** Put the window somewhere, show it and tell the server. */
  put(from, to) {
    const ends = [exact(from), exact(to)];
    if (!(ends[0] < ends[1])) return;
    this.window = from <= 0 && to >= this.data.longest ? null : ends;
    this.typing = null;
    this.show();
    this.tell();
  }

  /** Move an end, or with both of them the window, to a time; an end stops before the other. */
  move(grip, seconds, [from, to] = this.ends()) {
    const { step, end } = this.data;
    if (grip === "from") {
      this.put(clamp(seconds, 0, (Math.ceil(stepsTo(to, step)) - 1) * step), to);
    } else if (grip === "to") {
      this.put(from, clamp(seconds, (Math.floor(stepsTo(from, step)) + 1) * step, end));
    } else {
      const start = clamp(seconds, 0, Math.max(0, end - (to - from)));
      this.put(start, start + to - from);
    }
  }

  /** Return the multiple of the step that is nearest to a time. */
  snapped(seconds) {
    return Math.round(seconds / this.data.step) * this.data.step;
  }

  // --- What a visitor does -----------------------------------------------------------

  listen() {
    const grips = ["from", "to"];
    this.handles.forEach((handle, i) => {
      handle.onkeydown = (event) => this.press(event, grips[i]);
      // Without a key or a pointer: a screen reader's own way.
      handle.oninput = () => {
        this.pause();
        this.move(grips[i], this.snapped(handle.valueAsNumber));
        this.show();
      };
    });
    this.fields.forEach((field, i) => {
      field.oninput = () => {
        this.pause();
        this.typing = field;
      };
      field.onchange = () => this.type(i);
      // What was begun and left as it was, or given up.
      const leave = () => {
        this.typing = null;
        this.show();
      };
      field.onblur = () => {
        if (!field.hasAttribute("aria-invalid")) leave();
      };
      field.onkeydown = ({ key }) => {
        if (key === "Escape") leave();
      };
    });
    this.track.onpointerdown = (event) => this.grab(event);
    this.play.onclick = () => (this.playing ? this.pause() : this.start());
    this.whole.onclick = () => {
      this.pause();
      this.put(0, this.data.end);
      this.say(this.words());
    };
    this.speed.onchange = () => {
      if (this.playing) this.begin(this.ends()[0], this.playing.width);
    };
    this.pauseUnseen = () => document.hidden && this.pause();
  }

  /** Move an end by key, or with Shift the window. */
  press(event, grip) {
    const steps = STEPS[event.key];
    if (steps === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.pause();
    const { step } = this.data;
    // To a multiple of the step, from wherever it is.
    const at = stepsTo(this.ends()[!event.shiftKey && grip === "to" ? 1 : 0], step);
    const base = steps > 0 ? Math.floor(at) : Math.ceil(at);
    this.move(event.shiftKey ? "both" : grip, (base + steps) * step);
  }

  /** Take a typed number; the other end gives way. */
  type(i) {
    const field = this.fields[i];
    const { longest, end } = this.data;
    const typed = exact(field.valueAsNumber);
    const isPossible = i ? typed > 0 : typed >= 0 && typed < longest;
    if (!isPossible) {
      this.typing = field;
      field.setAttribute("aria-invalid", "true");
      this.state.textContent = `Type seconds from 0 to ${inWords(longest)}.`;
      this.state.classList.add("problem");
      this.say(this.state.textContent);
      return;
    }
    const [from, to] = this.ends();
    const width = to - from;
    const reached = i && typed >= longest ? end : typed;
    if (i) this.put(from < reached ? from : Math.max(0, reached - width), reached);
    else this.put(typed, typed < to ? to : Math.min(end, typed + width));
  }

  /** Follow the pointer with an end, with the window, or with a new one over the whole. */
  grab(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.pause();
    const { end } = this.data;
    const { left, width } = this.track.getBoundingClientRect();
    const handle = this.handles[0].offsetWidth;
    const pixels = width - 2 * handle;
    const secondsAt = ({ clientX }) => ((clientX - left - handle) / pixels) * end;
    const before = this.ends();
    const [from, to] = before;
    const at = secondsAt(event);
    const grip = at < from ? "from" : at > to ? "to" : this.window ? "both" : "new";
    this.handles[grip === "to" ? 1 : 0].focus({ preventScroll: true });
    // An end that is held away from its handle comes to the pointer.
    const held = grip === "to" ? to : from;
    const isFar = grip !== "both" && Math.abs(at - held) > (handle / pixels) * end;
    const offset = isFar ? 0 : at - held;
    const follow = (moved) => {
      const there = this.snapped(secondsAt(moved) - (grip === "new" ? 0 : offset));
      if (grip !== "new") this.move(grip, there, before);
      else {
        const start = this.snapped(at);
        this.put(Math.max(0, Math.min(start, there)), Math.min(end, Math.max(start, there)));
      }
    };
    if (isFar && grip !== "new") follow(event);
    this.track.setPointerCapture(event.pointerId);
    this.track.onpointermove = follow;
    this.track.onlostpointercapture = () => (this.track.onpointermove = null);
  }

  // --- Play --------------------------------------------------------------------------

  /** Let the window move to the end; of the whole, a part of it. */
  start() {
    const { longest, step, end } = this.data;
    const [from, to] = this.window ?? [0, Math.max(step, this.snapped(longest * PLAYED_SHARE))];
    // From the end it begins again.
    this.begin(to < longest ? from : 0, Math.min(to, end) - Math.min(from, end - step));
    document.addEventListener("visibilitychange", this.pauseUnseen);
    this.goOn();
  }

  goOn() {
    this.frame = requestAnimationFrame((now) => this.go(now));
  }

  /** Let a window move from a place on, from this moment on. */
  begin(from, width) {
    this.playing = { from, width, since: performance.now(), last: performance.now() };
    this.put(from, from + width);
  }

  /** Put the window where it is by now, as soon as the server has answered. */
  go(now) {
    if (!this.track.isConnected) {
      this.pause();
      return;
    }
    this.goOn();
    const { from, width, since, last } = this.playing;
    if (this.isUnderWay || now - last < PLAY_MS) return;
    this.playing.last = now;
    // As many seconds as have passed, however often the server answered.
    const passed = ((now - since) / 1000) * Number(this.speed.value);
    const at = Math.floor((from + passed) / PLAY_STEP_S) * PLAY_STEP_S;
    const most = this.data.end - width;
    const there = clamp(at, from, most);
    this.put(there, there + width);
    if (there >= most) this.pause();
  }

  pause() {
    if (!this.playing) return;
    this.playing = null;
    cancelAnimationFrame(this.frame);
    document.removeEventListener("visibilitychange", this.pauseUnseen);
    this.show();
    this.say(this.words());
  }
}
