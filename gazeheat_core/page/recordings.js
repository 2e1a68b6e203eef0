// The recordings of a study, with a box for each.
//
// data.study, data.generation: whose ticks these are, and how often the server has set them.
// data.ticked: positions of the ticked recordings. Python gets them back, all of them each time.
// data.groups: [{ wearer, rows }], positions in the order of the list; no heading without a wearer.
// data.names, wearers, finds, facts, details, shares: of each recording its name, its wearer, what
// the filter looks into, what the row says, what it says in full, and its part of the whole.
// data.filtered: whether there is a filter; data.mostRows: the most rows that are drawn.
// data.said: what is ticked, in words.
// data.sections: null, or { events, of, seconds, partial } where a recording has several. Of each
// recording: its sections' positions in events, which are pairs of names, and their lengths; of
// those that are ticked in part, a pair of its position and those of its ticked sections.

// The most sections that can be ticked in all recordings before "more" is clicked.
const MOST_CHOICES = 12;

const lists = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  if (!lists.has(parentElement)) lists.set(parentElement, new Recordings(parentElement));
  lists.get(parentElement).take(data, setStateValue);
}

/** Return a text in the one form in which texts are compared. */
function comparable(text) {
  return text.normalize("NFKC").toLowerCase().trim();
}

/** Return an element with a class and children; a string among them is text. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** Return a name in its own direction of writing. */
function nameOf(text, className) {
  const name = make("span", className, text);
  name.dir = "auto";
  return name;
}

/** Set what an element is or says, if it is another: what stays the same costs nothing. */
function set(element, property, value) {
  if (element[property] !== value) element[property] = value;
}

/** Return the names of two events, each in its own direction of writing. */
function eventsOf([start, end]) {
  return [nameOf(start, "name"), " ", make("span", "arrow", "→"), " ", nameOf(end, "name")];
}

/** Return a length in minutes and seconds; nothing where it is not known. */
function clock(seconds) {
  if (seconds === null) return "";
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Return ticks as lists in order, as the server gets them. */
function inOrder({ recordings, partial }) {
  const ordered = (numbers) => [...numbers].sort((a, b) => a - b);
  return {
    ticked: ordered(recordings),
    sections: ordered(partial.keys()).map((i) => [i, ordered(partial.get(i))]),
  };
}

class Recordings {
  constructor(parent) {
    const parts = ["count", "all", "none", "choices", "more", "find", "frame", "note", "said"];
    for (const part of parts) this[part] = parent.querySelector(`.${part}`);
    this.list = parent.querySelector("ul");
    // Positions of the ticked recordings; of those that are ticked in part, the ticked sections.
    this.ticks = { recordings: new Set(), partial: new Map() };
    this.undo = null; // what was ticked before "None" or "only", and the filter at that time
    this.choices.onclick = ({ target }) => this.clickChoice(target.closest("button"));
    // The list leaves the room that they take.
    new ResizeObserver(() =>
      this.frame.style.setProperty("--choices", `${this.choices.offsetHeight}px`),
    ).observe(this.choices);
    this.all.onclick = () => this.change(this.matches, true);
    this.none.onclick = ({ detail }) => this.clickNone(detail);
    this.find.oninput = () => this.fill();
    this.list.onchange = ({ target }) => {
      const { row, section } = target.closest("li").dataset;
      if (section === undefined) this.change(this.rowsOf(target), target.checked);
      else this.changeSections([[Number(row), [Number(section)]]], target.checked);
    };
    this.list.onclick = ({ target }) => {
      if (target.className === "only") this.change(this.rowsOf(target), true, { isOnly: true });
      if (target.className === "open") this.clickOpen(...this.rowsOf(target));
    };
  }

  /** Take what the server has to say. */
  take(data, setStateValue) {
    const isOther = data.study !== this.data?.study;
    const isNewer = isOther || data.generation !== this.data.generation;
    Object.assign(this, { data, setStateValue });
    // Else the browser knows better: the server answers to an earlier tick.
    if (isNewer) {
      const parts = (data.sections?.partial ?? []).map(([i, places]) => [i, new Set(places)]);
      this.ticks = { recordings: new Set(data.ticked), partial: new Map(parts) };
      this.undo = null;
    }
    if (isOther) this.begin();
    else this.show();
    // What is there from the beginning is no news.
    set(this.said, "textContent", isOther ? "" : data.said);
  }

  /** Begin with the recordings of another study. */
  begin() {
    const { groups, finds, filtered, sections } = this.data;
    this.texts = finds.map(comparable);
    this.elements = []; // by position, made when they are needed
    this.headings = groups.map(() => null);
    this.find.value = "";
    this.find.hidden = !filtered;
    const headings = groups.filter(({ wearer }) => wearer).length;
    this.isGrouped = headings > 0;
    this.list.classList.toggle("grouped", this.isGrouped);
    this.list.classList.toggle("sectioned", sections !== null);
    this.rowsWithoutSections = finds.length + headings;
    this.opened = new Map(); // position of a recording: the rows of its sections
    this.beginChoices();
    this.makeRoom();
    this.frame.scrollTop = 0;
    this.fill();
  }

  /** Make a choice for each kind of section, where there are several. */
  beginChoices() {
    const { events, of } = this.data.sections ?? { events: [], of: [] };
    this.kinds = events.map(() => []); // for each: pairs of a recording and its sections
    of.forEach((theirs, i) =>
      theirs.forEach((kind, place) => {
        const last = this.kinds[kind].at(-1);
        if (last?.[0] === i) last[1].push(place);
        else this.kinds[kind].push([i, [place]]);
      }),
    );
    this.choices.hidden = events.length < 2;
    this.more.hidden = events.length <= MOST_CHOICES;
    this.more.setAttribute("aria-expanded", false);
    this.more.textContent = `${(events.length - MOST_CHOICES).toLocaleString("en")} more`;
    for (const { button } of this.chosen ?? []) button.remove();
    this.chosen = [];
    if (!this.choices.hidden) this.showChoices(MOST_CHOICES);
  }

  /** Show choices for the first so many kinds of sections. */
  showChoices(most) {
    for (const { button } of this.chosen.splice(most)) button.remove();
    for (let kind = this.chosen.length; kind < Math.min(most, this.kinds.length); kind++) {
      const pair = this.data.sections.events[kind];
      const names = pair.some(Boolean) ? eventsOf(pair) : ["Without events"];
      const count = this.kinds[kind].length;
      const unseen = make("span", "unseen", count === 1 ? " recording" : " recordings");
      const facts = make("span", "facts", count.toLocaleString("en"), unseen);
      const button = make("button", "choice", make("span", "names", ...names), " ", facts);
      button.type = "button";
      button.title = pair.some(Boolean) ? pair.join(" → ") : names[0];
      button.dataset.kind = kind;
      this.more.before(button);
      this.chosen.push({ button, kind });
    }
  }

  /** Let the list be as high as all of its rows, those of opened recordings among them. */
  makeRoom() {
    const sections = [...this.opened.values()].reduce((sum, rows) => sum + rows.length, 0);
    this.frame.style.setProperty("--rows", this.rowsWithoutSections + sections);
  }

  /** Fill the list with what matches the filter. */
  fill() {
    const { groups, mostRows } = this.data;
    const wanted = comparable(this.find.value);
    this.listed = groups.map((group) => group.rows.filter((i) => this.texts[i].includes(wanted)));
    this.matches = this.listed.flat();
    const nodes = [];
    let left = mostRows;
    this.drawn = this.listed.map((positions, g) => {
      const some = positions.slice(0, left);
      left -= some.length;
      if (some.length && groups[g].wearer) nodes.push(this.heading(g).item);
      for (const i of some) nodes.push(this.element(i).item, ...this.sectionItems(i));
      return some;
    });
    this.list.replaceChildren(...nodes);
    const more = this.matches.length - mostRows;
    this.note.hidden = this.matches.length > 0 && more <= 0;
    this.note.textContent = this.matches.length
      ? `and ${more.toLocaleString("en")} more: type to find them`
      : this.texts.length
        ? "No recording matches."
        : "No recordings.";
    this.show();
  }

  /** Return the elements of a recording's row. */
  element(i) {
    return (this.elements[i] ??= this.makeRow(i));
  }

  makeRow(i) {
    const [name, wearer] = [this.data.names[i], this.data.wearers[i]];
    const box = make("input", "");
    box.type = "checkbox";
    const names = make("span", "names", box, " ", nameOf(name, "name"));
    if (wearer && !this.isGrouped) names.append(" ", nameOf(wearer, "wearer"));
    const facts = make("span", "facts");
    const only = make("button", "only", "only");
    only.type = "button";
    only.setAttribute("aria-label", `Only ${name}`);
    const item = make("li", "recording", make("label", "", names, " ", facts), only);
    item.dataset.row = i;
    let open = null;
    if (this.sectionCount(i) > 1) {
      open = make("button", "open");
      open.type = "button";
      open.setAttribute("aria-label", `Sections of ${name}`);
      open.setAttribute("aria-expanded", false);
      item.prepend(open);
    }
    return { item, box, said: facts, open };
  }

  /** Return the rows of an opened recording's sections, in the order of the file. */
  makeSections(i) {
    const { events, of, seconds } = this.data.sections;
    const { mostRows } = this.data;
    const seen = new Map();
    const rows = of[i].slice(0, mostRows).map((kind, place) => {
      const number = (seen.get(kind) ?? 0) + 1;
      seen.set(kind, number);
      const isNamed = events[kind].some(Boolean);
      const names = isNamed ? eventsOf(events[kind]) : [`Section ${place + 1}`];
      // Sections between the same events are told apart by a number.
      if (isNamed && number > 1) names.push(" ", make("span", "number", `(${number})`));
      const box = make("input", "");
      box.type = "checkbox";
      const facts = make("span", "facts", clock(seconds[i][place]));
      const label = make("label", "", make("span", "names", box, " ", ...names), " ", facts);
      const item = make("li", "section", label);
      const name = this.data.names[i];
      item.title = `${name}\n${label.querySelector(".names").textContent.trim()}`;
      box.title = name; // of which recording it is
      Object.assign(item.dataset, { row: i, section: place });
      return { item, box };
    });
    const more = of[i].length - mostRows;
    if (more > 0) rows.push({ item: make("li", "note", `and ${more.toLocaleString("en")} more`) });
    return rows;
  }

  sectionItems(i) {
    return (this.opened.get(i) ?? []).map(({ item }) => item);
  }

  sectionCount(i) {
    return this.data.sections?.of[i].length ?? 1;
  }

  /** Return the elements of a wearer's heading. */
  heading(g) {
    return (this.headings[g] ??= this.makeHeading(g));
  }

  makeHeading(g) {
    const box = make("input", "");
    box.type = "checkbox";
    const names = make("span", "names", box, " ", nameOf(this.data.groups[g].wearer, "name"));
    const facts = make("span", "facts");
    const item = make("li", "heading", make("label", "", names, " ", facts));
    item.dataset.group = g;
    return { item, box, facts };
  }

  /** Return the positions that an element of the list stands for. */
  rowsOf(element) {
    const { row, group } = element.closest("li").dataset;
    return row === undefined ? this.listed[group] : [Number(row)];
  }

  /** Show what is ticked, and what the server says of each recording. */
  show() {
    const { names, wearers, facts, details, shares } = this.data;
    const { recordings, partial } = this.ticks;
    const isWhole = (i) => recordings.has(i) && !partial.has(i);
    this.drawn.forEach((positions, g) => {
      for (const i of positions) {
        const { item, box, said } = this.elements[i];
        const whole = [names[i], wearers[i], details[i]].filter(Boolean).join("\n");
        set(box, "checked", isWhole(i));
        set(box, "indeterminate", partial.has(i));
        set(said, "textContent", facts[i]);
        set(item, "title", whole);
        set(box, "title", whole); // said of the box to those who cannot see it
        if (item.share !== shares[i]) item.style.setProperty("--share", (item.share = shares[i]));
      }
      if (positions.length && this.headings[g]) {
        const { box, facts } = this.headings[g];
        const theirs = this.listed[g];
        const count = theirs.filter((i) => recordings.has(i)).length;
        set(box, "checked", theirs.every(isWhole));
        set(box, "indeterminate", 0 < count && !box.checked);
        set(facts, "textContent", `${count} of ${theirs.length}`);
      }
    });
    for (const [i, theirs] of this.opened) {
      theirs.forEach(({ box }, place) => box && set(box, "checked", this.isTicked(i, place)));
    }
    for (const { button, kind } of this.chosen) {
      const pairs = this.kinds[kind];
      const is = pairs.flatMap(([i, places]) => places.map((place) => this.isTicked(i, place)));
      const pressed = is.every(Boolean) ? "true" : is.some(Boolean) ? "mixed" : "false";
      set(button, "ariaPressed", pressed);
    }
    const counts = [recordings.size, names.length].map((count) => count.toLocaleString("en"));
    set(this.count, "textContent", counts.join(" of "));
    const isUndo = this.canUndo();
    set(this.none, "textContent", isUndo ? "Undo" : "None");
    set(
      this.none,
      "title",
      isUndo ? "Tick what was ticked before" : "Untick all recordings that are listed",
    );
  }

  // --- What a visitor does -----------------------------------------------------------

  /** Whether a section is ticked. */
  isTicked(i, place) {
    return this.ticks.partial.get(i)?.has(place) ?? this.ticks.recordings.has(i);
  }

  /** Tick or untick some recordings with all of their sections, and leave the others. */
  change(positions, isTicked, { isOnly = false, canBeUndone = isOnly } = {}) {
    const recordings = new Set(isOnly ? [] : this.ticks.recordings);
    const partial = new Map(isOnly ? [] : this.ticks.partial);
    for (const i of positions) {
      isTicked ? recordings.add(i) : recordings.delete(i);
      partial.delete(i);
    }
    this.keep({ recordings, partial }, canBeUndone);
  }

  /** Tick or untick some sections, in pairs of a recording and its sections. */
  changeSections(pairs, isTicked) {
    const recordings = new Set(this.ticks.recordings);
    const partial = new Map(this.ticks.partial);
    for (const [i, places] of pairs) {
      const all = [...Array(this.sectionCount(i)).keys()];
      const wanted = new Set(all.filter((place) => this.isTicked(i, place)));
      for (const place of places) isTicked ? wanted.add(place) : wanted.delete(place);
      wanted.size ? recordings.add(i) : recordings.delete(i);
      if (wanted.size && wanted.size < all.length) partial.set(i, wanted);
      else partial.delete(i);
    }
    this.keep({ recordings, partial });
  }

  clickChoice(button) {
    if (button === this.more) {
      const isOpen = button.ariaExpanded !== "true";
      button.ariaExpanded = isOpen;
      this.showChoices(isOpen ? this.data.mostRows : MOST_CHOICES);
      this.show();
    } else if (button) {
      this.changeSections(this.kinds[button.dataset.kind], button.ariaPressed !== "true");
    }
  }

  /** Show a recording's sections, or hide them. */
  clickOpen(i) {
    const { item, open } = this.element(i);
    for (const row of this.sectionItems(i)) row.remove();
    if (!this.opened.delete(i)) this.opened.set(i, this.makeSections(i));
    open.ariaExpanded = this.opened.has(i);
    item.after(...this.sectionItems(i));
    this.makeRoom();
    this.show();
  }

  /** Whether the last act can be taken back here: another filter needs its own "None". */
  canUndo() {
    return this.undo?.filter === this.find.value;
  }

  clickNone(clicks) {
    if (!this.canUndo()) this.change(this.matches, false, { canBeUndone: true });
    // The second half of a double click is no wish of its own.
    else if (clicks < 2) this.keep(this.undo.ticks);
  }

  /** Tick these and no others, and tell the server. */
  keep(ticks, canBeUndone = false) {
    const { study, generation } = this.data;
    const { ticked, sections } = inOrder(ticks);
    if (JSON.stringify({ ticked, sections }) === JSON.stringify(inOrder(this.ticks))) {
      this.show(); // a box that was clicked shows what is ticked
      return;
    }
    this.undo = canBeUndone ? { ticks: this.ticks, filter: this.find.value } : null;
    this.ticks = ticks;
    this.show();
    const partial = sections.length ? { sections } : {};
    this.setStateValue("ticked", { study, generation, ticked, ...partial });
  }
}
