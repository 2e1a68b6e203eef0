// The regions of a study, in a table with their numbers.
//
// data.study: whose they are. data.title: what the group is called.
// data.rows: for each region { name, place, seconds, share, looked, first }, ready to be shown.
// data.share: what the share is of. data.isMarking: whether a drag on the picture marks one.
// data.canAdd: whether there may be one more. data.size: width and height of the picture.
// data.longestName: the most characters of a name.
// data.address: where the table can be fetched; empty where there is none.
// data.how, data.problem, data.note: sentences. data.said: the newest region in words.

const rooms = new WeakMap();
const NUMBERS = ["seconds", "share", "looked", "first"];

export default function ({ data, parentElement, setStateValue }) {
  if (!rooms.has(parentElement)) rooms.set(parentElement, new Regions(parentElement));
  rooms.get(parentElement).take(data, setStateValue);
}

/** Return an element with a class and children; a string among them is text. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** Set what an element is or says, if it is another: what stays the same costs nothing. */
function set(element, property, value) {
  if (element[property] !== value) element[property] = value;
}

class Regions {
  constructor(parent) {
    const find = (selector) => parent.querySelector(selector);
    for (const part of ["mark", "words", "frame", "share", "download", "note"]) {
      this[part] = find(`.${part}`);
    }
    this.group = find("details");
    this.title = find("summary");
    this.list = find("tbody");
    this.form = find("form");
    this.add = find("form button");
    this.rows = [];
    // The page's own style asks for it.
    this.group.ontoggle = () => {
      this.group.getRootNode().host?.toggleAttribute("data-open", this.group.open);
    };
    this.mark.onclick = () => this.ask({ what: "mark", on: !this.data.isMarking });
    this.form.onsubmit = (event) => {
      event.preventDefault();
      const { left, top, right, bottom } = this.form.elements;
      const corners = [left, top, right, bottom].map((side) => side.valueAsNumber);
      this.ask({ what: "add", corners });
      this.form.reset();
    };
  }

  /** Ask the server for something; the same asked again is another message. */
  ask(message) {
    this.setStateValue("asked", { study: this.data.study, ...message, at: Date.now() });
  }

  /** Take what the server has to say. */
  take(data, setStateValue) {
    const isOther = data.study !== this.data?.study;
    const isNews = !isOther && data.rows.length > this.rows.length;
    Object.assign(this, { data, setStateValue });
    if (isOther) {
      this.group.open = data.rows.length > 0;
      this.form.reset();
    }
    set(this.title, "textContent", data.title);
    set(this.mark, "ariaPressed", String(data.isMarking));
    set(this.mark, "disabled", !data.canAdd);
    set(this.add, "disabled", !data.canAdd);
    set(this.share, "textContent", data.share);
    set(this.note, "textContent", data.note);
    for (const [side, most] of [["left", 0], ["right", 0], ["top", 1], ["bottom", 1]]) {
      const { [side]: input } = this.form.elements;
      [input.min, input.max] = [0, data.size[most]];
    }
    this.frame.hidden = data.rows.length === 0;
    this.download.hidden = !data.address;
    if (data.address) this.download.href = new URL(data.address, document.baseURI);
    this.show();
    this.say(isOther, isNews);
  }

  /** Say what is wrong, what to do, or what has changed. */
  say(isOther, isNews) {
    const { problem, how, said } = this.data;
    this.words.classList.toggle("problem", problem !== "");
    if (problem || how) set(this.words, "textContent", problem || how);
    else if (isNews) set(this.words, "textContent", said);
    else if (isOther || this.words.textContent !== this.news) set(this.words, "textContent", "");
    // Numbers that a tick changes are in the table; a sentence of before would be wrong.
    this.news = isNews ? said : "";
  }

  /** Show a row for each region; a row that stays keeps the focus. */
  show() {
    const { rows } = this.data;
    const { activeElement } = this.list.getRootNode();
    const hadFocus = this.list.contains(activeElement);
    while (this.rows.length > rows.length) this.rows.pop().item.remove();
    while (this.rows.length < rows.length) this.rows.push(this.makeRow(this.rows.length));
    rows.forEach((row, i) => {
      const { name, place, cells, remove } = this.rows[i];
      if (!name.isEdited) set(name, "value", row.name);
      set(name, "title", row.name);
      set(place, "textContent", row.place);
      cells.forEach((cell, k) => set(cell, "textContent", row[NUMBERS[k]]));
      set(remove, "ariaLabel", `Remove ${row.name}`);
    });
    // What had the focus is gone.
    if (hadFocus && !this.list.contains(activeElement)) {
      (this.rows.at(-1)?.remove ?? this.mark).focus();
    }
  }

  makeRow(i) {
    const name = make("input", "name");
    name.type = "text";
    name.dir = "auto";
    name.maxLength = this.data.longestName;
    name.ariaLabel = `Name of region ${i + 1}`;
    name.oninput = () => (name.isEdited = true);
    name.onchange = () => {
      name.isEdited = false;
      const was = this.data.rows[i].name;
      if (name.value.trim() === was) name.value = was;
      else this.ask({ what: "rename", name: was, to: name.value });
    };
    const place = make("td", "place");
    const cells = NUMBERS.map(() => make("td", "number"));
    const remove = make("button", "remove", "×");
    remove.type = "button";
    remove.onclick = () => this.ask({ what: "remove", name: this.data.rows[i].name });
    const item = make("tr", "", make("td", "", name), place, ...cells, make("td", "", remove));
    this.list.append(item);
    return { item, name, place, cells, remove };
  }
}
