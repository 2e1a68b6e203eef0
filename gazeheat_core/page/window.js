// The window: takes a drop anywhere, asks before it is closed with a study open, and says what
// became of the connection and of what was open.
//
// data.server, data.visit: tell this process, and this session, from any other.
// data.holds: whether a study is open.
// data.returns: how often the server was told that the connection is back.
// data.mostFiles, data.mostBytes: how much is taken at a time.
// data.words: the sentences, by what they say.

const KEPT = "gazeheat-open"; // in the tab's storage: that something was open when it was left
const VEIL_MS = 700; // a drag that is still over the window says so more often
const BACK_MS = 6000;
const CONNECTION = "data-test-connection-state";
// Where the page takes files: outside of a study, the uploader that can be seen.
const UPLOADERS = [".st-key-dropped input[type=file]", "[data-testid=stMain] input[type=file]"];
const CHIP = "[data-testid=stFileChip]";

let data;
let parts; // the elements of this component that are on the page
let open; // { server, visit } of what is open
let isLoaded = false; // whether the server has said anything since the page was loaded
let tellBack; // tells the server that the connection is back
let isLost = false;
let given = []; // the files that were given last
let stopped = []; // those of them that a lost connection has stopped
let timers = {};
const said = { connection: "", notice: "" };

export default function ({ data: next, parentElement, setTriggerValue }) {
  parts = {
    connection: parentElement.querySelector(".connection"),
    notice: parentElement.querySelector(".notice p"),
    close: parentElement.querySelector("button"),
    veil: parentElement.querySelector(".veil"),
  };
  parts.close.onclick = () => say("notice", "");
  tellBack = () => setTriggerValue("back", true);
  const before = data;
  data = next;
  if (data.holds && !before?.holds) say("notice", "");
  compare();
  say("connection", said.connection);
  say("notice", said.notice);
  const app = document.querySelector(`[${CONNECTION}]`);
  if (app) connection.observe(app, { attributeFilter: [CONNECTION] });
  if (before && (before.returns !== data.returns || before.visit !== data.visit)) giveAgain();
}

function say(where, sentence) {
  said[where] = sentence;
  if (parts[where].textContent !== sentence) parts[where].textContent = sentence;
  parts.close.hidden = !said.notice;
}

// --- What was open ---------------------------------------------------------------------

/** Say so if what was open is gone, and why. */
function compare() {
  const { server, visit, holds, words } = data;
  const before = open ?? (isLoaded ? undefined : recall());
  if (before && before.visit !== visit) {
    const isRestarted = before.server !== server;
    say("notice", isRestarted ? words.restarted : isLoaded ? words.forgotten : words.reloaded);
  }
  isLoaded = true;
  open = holds ? { server, visit } : undefined;
}

function recall() {
  const kept = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  return kept ? JSON.parse(kept) : undefined;
}

/** Keep that something is open for as long as the page is out of sight.
 *
 * A tab that is doubled gets the storage too, and has lost nothing.
 */
function keep(isOutOfSight) {
  if (isOutOfSight && open) sessionStorage.setItem(KEPT, JSON.stringify(open));
  else sessionStorage.removeItem(KEPT);
}

addEventListener("pagehide", () => keep(true));
addEventListener("pageshow", ({ persisted }) => persisted && keep(false));
document.addEventListener("visibilitychange", () => isLoaded && keep(document.hidden));
addEventListener("beforeunload", (event) => {
  if (!open) return;
  event.preventDefault();
  event.returnValue = true; // for browsers that know no other way
});

// --- The connection --------------------------------------------------------------------

const connection = new MutationObserver(([{ target }]) => {
  const isConnected = target.getAttribute(CONNECTION) === "CONNECTED";
  if (isConnected !== isLost) return;
  isLost = !isConnected;
  if (isLost) {
    clearTimeout(timers.back);
    say("connection", data.holds ? data.words.lostHolding : data.words.lost);
    sayFailed();
    return;
  }
  sayBack(data.words.back);
  // Streamlit asks for nothing by itself: a page whose session is gone would look as before.
  tellBack();
});

function sayBack(sentence) {
  say("connection", sentence);
  clearTimeout(timers.back);
  timers.back = setTimeout(() => say("connection", ""), BACK_MS);
}

// --- Files on their way ----------------------------------------------------------------

let hasChips = false;
const arrivals = new MutationObserver(() => {
  const hadChips = hasChips;
  hasChips = document.querySelector(CHIP) !== null;
  if (!hadChips || hasChips) {
    sayFailed();
    return;
  }
  arrivals.disconnect();
  if (said.notice === data.words.notArrived) say("notice", "");
});

function failedChips() {
  return [...document.querySelectorAll(`${CHIP}[aria-invalid=true]`)];
}

function sayFailed() {
  const chips = failedChips();
  if (!chips.length) return;
  if (!isLost) {
    if (!stopped.length) say("notice", data.words.notArrived);
    return;
  }
  const names = new Set(chips.map((chip) => chip.querySelector("[title]")?.title));
  stopped = given.filter(({ name }) => names.has(name));
  say("notice", "");
  say("connection", data.words.cut);
}

document.addEventListener(
  "change",
  ({ target }) => {
    if (!target.files?.length) return;
    given = [...target.files];
    say("notice", "");
    arrivals.observe(document.body, {
      subtree: true,
      childList: true,
      attributeFilter: ["aria-invalid"],
    });
  },
  true,
);

/** Give the files again that a lost connection has stopped. */
function giveAgain() {
  const files = stopped;
  stopped = [];
  const chips = failedChips();
  const its = chips[0]?.closest("[data-testid=stFileUploader]");
  const input = its?.querySelector("input[type=file]") ?? uploader();
  if (!files.length || !input) return;
  for (const chip of chips) chip.querySelector("button")?.click();
  hand(input, files);
  sayBack(data.words.again);
}

function uploader() {
  return UPLOADERS.map((one) => document.querySelector(one)).find(Boolean);
}

/** Hand files to an uploader, as if they had been chosen there. */
function hand(input, files) {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// --- A drop anywhere -------------------------------------------------------------------

function showVeil(sentence) {
  clearTimeout(timers.veil);
  parts.veil.querySelector("p").textContent = sentence;
  if (!parts.veil.matches(":popover-open")) parts.veil.showPopover();
}

function hideVeil() {
  if (parts.veil.matches(":popover-open")) parts.veil.hidePopover();
}

function isOfFiles(event) {
  return Boolean(data) && event.dataTransfer?.types.includes("Files");
}

for (const kind of ["dragenter", "dragover"]) {
  addEventListener(
    kind,
    (event) => {
      if (!isOfFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      event.dataTransfer.dropEffect = "copy";
      showVeil(data.words.drop);
      timers.veil = setTimeout(hideVeil, VEIL_MS);
    },
    true,
  );
}

addEventListener(
  "drop",
  async (event) => {
    if (!isOfFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    // A drop can be asked for its files only until the first wait.
    const { items, files } = event.dataTransfer;
    const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const loose = entries.length ? [] : [...files];
    showVeil(data.words.gathering);
    try {
      await take(loose.length ? loose : await gather(entries));
    } catch (problem) {
      say("notice", problem instanceof Refusal ? problem.message : data.words.unreadable);
    } finally {
      hideVeil();
    }
  },
  true,
);

class Refusal extends Error {}

function take(files) {
  const input = uploader();
  if (!input) throw new Refusal(data.words.notReady);
  if (!files.length) throw new Refusal(data.words.empty);
  hand(input, files);
}

// --- Folders ---------------------------------------------------------------------------

/** Return the files of a drop. A folder becomes a ZIP, which keeps its paths; ZIPs stay. */
async function gather(entries) {
  const files = [];
  for (const entry of entries) {
    if (entry.isFile) {
      files.push(await fileOf(entry));
      continue;
    }
    const inside = await walk(entry, "", []);
    const isZip = ({ file }) => /\.zip$/i.test(file.name);
    files.push(...inside.filter(isZip).map(({ file }) => file));
    const loose = inside.filter((one) => !isZip(one));
    if (loose.length) files.push(await pack(`${entry.name}.zip`, loose));
  }
  return files;
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** Add the files of a folder and of those inside it to a list: [{ path, file }]. */
async function walk(folder, above, found) {
  const reader = folder.createReader();
  const path = `${above}${folder.name}/`;
  for (;;) {
    // A reader gives some at a time, at last none.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const entry of some) {
      if (entry.isDirectory) {
        await walk(entry, path, found);
        continue;
      }
      const file = await fileOf(entry);
      // The recordings' videos are gigabytes, and nothing here needs them.
      if (!/^(video|audio)\//.test(file.type)) found.push({ path: path + entry.name, file });
      if (found.length > data.mostFiles) throw new Refusal(data.words.tooMany);
    }
  }
}

/** Return a ZIP of files that are not packed. Their bytes stay where they are. */
async function pack(name, files) {
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  if (size > data.mostBytes) throw new Refusal(data.words.tooLarge);
  const bodies = [];
  const directory = [];
  let at = 0;
  for (const { path, file } of files) {
    const text = new TextEncoder().encode(path);
    const crc = await checksum(file);
    // Version 2.0, a name in UTF-8, not packed, 1 January 1980.
    const kind = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21]];
    const sizes = [[4, file.size], [4, file.size], [2, text.length], [2, 0]];
    const common = [...kind, [4, crc], ...sizes];
    const header = numbers([4, 0x04034b50], ...common);
    // No comment, first disk, no attributes.
    const more = [[2, 0], [2, 0], [2, 0], [4, 0], [4, at]];
    directory.push(numbers([4, 0x02014b50], [2, 20], ...common, ...more), text);
    bodies.push(header, text, file);
    at += header.length + text.length + file.size;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const count = files.length;
  const counts = [[2, 0], [2, 0], [2, count], [2, count]];
  const end = numbers([4, 0x06054b50], ...counts, [4, length], [4, at], [2, 0]);
  return new File([...bodies, ...directory, end], name, { type: "application/zip" });
}

/** Return bytes of numbers, [how many bytes, number], the lowest byte first. */
function numbers(...fields) {
  return Uint8Array.from(
    fields.flatMap(([size, n]) => Array.from({ length: size }, (_, i) => (n >>> (8 * i)) & 255)),
  );
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** Return the CRC-32 of a file, read in pieces. */
async function checksum(file) {
  const PIECE = 2 ** 22;
  let crc = -1;
  for (let at = 0; at < file.size; at += PIECE) {
    const piece = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
    for (let i = 0; i < piece.length; i++) crc = (crc >>> 8) ^ CRC[(crc ^ piece[i]) & 255];
  }
  return ~crc >>> 0;
}
