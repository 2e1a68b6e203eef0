// The recordings of a study, with a box for each.
//
// data.study, data.generation: whose ticks these are, and how often the server has set them.
// data.ticked: positions of the ticked recordings. Python gets them back, all of them each time.
// data.groups: [{ wearer, rows }], positions in the order of the list; no heading without a wearer.
// data.rows: for each position { name, wearer, facts, share, whole, find }.
// data.filtered: whether there is a filter; data.mostRows: the most rows that are drawn.
// data.said: what is ticked, in words.

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

class Recordings {
  constructor(parent) {
    for (const part of ["count", "all", "none", "find", "frame", "note", "said"]) {
      this[part] = parent.querySelector(`.${part}`);
    }
    this.list = parent.querySelector("ul");
    this.ticked = new Set();
    this.undo = null; // what was ticked before "None" or "only", and the filter at that time
    this.all.onclick = () => this.change(this.matches, true);
    this.none.onclick = ({ detail }) => this.clickNone(detail);
    this.find.oninput = () => this.fill();
    this.list.onchange = ({ target }) => this.change(this.rowsOf(target), target.checked);
    this.list.onclick = ({ target }) => {
      if (target.className === "only") this.keep(this.rowsOf(target), true);
    };
  }

  /** Take what the server has to say. */
  take(data, setStateValue) {
    const isOther = data.study !== this.data?.study;
    const isNewer = isOther || data.generation !== this.data.generation;
    Object.assign(this, { data, setStateValue });
    // Else the browser knows better: the server answers to an earlier tick.
    if (isNewer) [this.ticked, this.undo] = [new Set(data.ticked), null];
    if (isOther) this.begin();
    else this.show();
    // What is there from the beginning is no news.
    set(this.said, "textContent", isOther ? "" : data.said);
  }

  /** Begin with the recordings of another study. */
  begin() {
    const { groups, rows, filtered } = this.data;
    this.texts = rows.map(({ find }) => comparable(find));
    this.elements = []; // by position, made when they are needed
    this.headings = groups.map(() => null);
    this.find.value = "";
    this.find.hidden = !filtered;
    const headings = groups.filter(({ wearer }) => wearer).length;
    this.list.classList.toggle("grouped", headings > 0);
    this.frame.style.setProperty("--rows", rows.length + headings);
    this.frame.scrollTop = 0;
    this.fill();
  }

  /** Fill the list with what matches the filter. */
  fill() {
    const { groups, mostRows, rows } = this.data;
    const wanted = comparable(this.find.value);
    this.listed = groups.map((group) => group.rows.filter((i) => this.texts[i].includes(wanted)));
    this.matches = this.listed.flat();
    const nodes = [];
    let left = mostRows;
    this.drawn = this.listed.map((positions, g) => {
      const some = positions.slice(0, left);
      left -= some.length;
      if (some.length && groups[g].wearer) nodes.push(this.heading(g).item);
      nodes.push(...some.map((i) => this.element(i).item));
      return some;
    });
    this.list.replaceChildren(...nodes);
    const more = this.matches.length - mostRows;
    this.note.hidden = this.matches.length > 0 && more <= 0;
    this.note.textContent = this.matches.length
      ? `and ${more.toLocaleString("en")} more: type to find them`
      : rows.length
        ? "No recording matches."
        : "No recordings.";
    this.show();
  }

  /** Return the elements of a recording's row. */
  element(i) {
    return (this.elements[i] ??= this.makeRow(i));
  }

  makeRow(i) {
    const { name, wearer } = this.data.rows[i];
    const box = make("input", "");
    box.type = "checkbox";
    const names = make("span", "names", box, " ", nameOf(name, "name"));
    if (wearer) names.append(" ", nameOf(wearer, "wearer"));
    const facts = make("span", "facts");
    const only = make("button", "only", "only");
    only.type = "button";
    only.setAttribute("aria-label", `Only ${name}`);
    const item = make("li", "recording", make("label", "", names, " ", facts), only);
    item.dataset.row = i;
    return { item, box, facts };
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
    const { rows } = this.data;
    const { ticked } = this;
    this.drawn.forEach((positions, g) => {
      for (const i of positions) {
        const { item, box, facts } = this.elements[i];
        const row = rows[i];
        set(box, "checked", ticked.has(i));
        set(facts, "textContent", row.facts);
        set(item, "title", row.whole);
        set(box, "title", row.whole); // said of the box to those who cannot see it
        if (item.share !== row.share) item.style.setProperty("--share", (item.share = row.share));
      }
      if (positions.length && this.headings[g]) {
        const { box, facts } = this.headings[g];
        const theirs = this.listed[g];
        const count = theirs.filter((i) => ticked.has(i)).length;
        set(box, "checked", count === theirs.length);
        set(box, "indeterminate", 0 < count && count < theirs.length);
        set(facts, "textContent", `${count} of ${theirs.length}`);
      }
    });
    const [some, all] = [ticked.size, rows.length].map((count) => count.toLocaleString("en"));
    set(this.count, "textContent", `${some} of ${all}`);
    const isUndo = this.canUndo();
    set(this.none, "textContent", isUndo ? "Undo" : "None");
    set(
      this.none,
      "title",
      isUndo ? "Tick what was ticked before" : "Untick all recordings that are listed",
    );
  }

  // --- What a visitor does -----------------------------------------------------------

  /** Tick or untick some, and leave the others. */
  change(positions, isTicked, canBeUndone = false) {
    const ticked = new Set(this.ticked);
    for (const i of positions) isTicked ? ticked.add(i) : ticked.delete(i);
    this.keep(ticked, canBeUndone);
  }

  /** Whether the last act can be taken back here: another filter needs its own "None". */
  canUndo() {
    return this.undo?.filter === this.find.value;
  }

  clickNone(clicks) {
    if (!this.canUndo()) this.change(this.matches, false, true);
    // The second half of a double click is no wish of its own.
    else if (clicks < 2) this.keep(this.undo.ticked);
  }

  /** Tick these and no others, and tell the server. */
  keep(positions, canBeUndone = false) {
    const { study, generation } = this.data;
    const wanted = new Set(positions);
    if (wanted.size === this.ticked.size && [...wanted].every((i) => this.ticked.has(i))) return;
    this.undo = canBeUndone ? { ticked: this.ticked, filter: this.find.value } : null;
    this.ticked = wanted;
    this.show();
    const ticked = [...this.ticked].sort((a, b) => a - b);
    this.setStateValue("ticked", { study, generation, ticked });
  }
}
