// Buttons that fetch a file and hand it to the browser, or say why they cannot.
//
// data.files: [{ what, label, name, address, asks }], an empty address for one that is not
// offered. One that asks is sent what the form for the figure says.
// data.caption: the page's own caption. data.filled: what the form is filled in for, anew
// where it has changed; then data.heading, data.written (a caption, null for the page's own) and
// data.style (width, resolution and their bounds) are what it says.
// data.more: what the button says that opens the rest.
// data.making, data.unreachable, data.copied, data.notCopied: sentences.

const MM_PER_INCH = 25.4;

export default function ({ data, parentElement }) {
  const find = (selector) => parentElement.querySelector(selector);
  const [form, words] = [find("form"), find(".words")];
  const { heading, caption, width, unit, dpi } = form.elements;

  function say(sentence, isProblem) {
    words.textContent = sentence;
    words.classList.toggle("problem", isProblem);
  }

  // --- The figure's form -----------------------------------------------------------------

  if (form.dataset.filled !== data.filled) {
    form.dataset.filled = data.filled;
    heading.value = data.heading;
    caption.value = data.written ?? data.caption;
    form.dataset.caption = data.written === null ? caption.value : "\0"; // no caption is that
    unit.value = "mm";
    width.value = data.style.widthMm;
    dpi.value = data.style.dpi;
    [dpi.min, dpi.max] = data.style.dpiBounds;
    boundWidth();
    unit.onchange = () => {
      // The figure stays as large as it is.
      const factor = dpi.value / MM_PER_INCH;
      const converted = unit.value === "px" ? width.value * factor : width.value / factor;
      width.value = unit.value === "px" ? Math.round(converted) : Number(converted.toFixed(2));
      boundWidth();
    };
    dpi.onchange = boundWidth;
    form.onsubmit = (event) => event.preventDefault();
  }
  // The page's caption follows each tick until someone writes one.
  const isOwn = caption.value === form.dataset.caption;
  if (isOwn) caption.value = data.caption;
  form.dataset.caption = data.caption;
  find(".own").onclick = () => (caption.value = data.caption);
  find(".copy").onclick = async () => {
    try {
      await navigator.clipboard.writeText(caption.value);
      say(data.copied, false);
    } catch {
      // A page without HTTPS may not reach the clipboard; what is marked can be copied by key.
      caption.select();
      const isCopied = document.execCommand("copy");
      say(isCopied ? data.copied : data.notCopied, !isCopied);
    }
  };

  function boundWidth() {
    const factor = unit.value === "px" ? dpi.value / MM_PER_INCH : 1;
    const [least, most] = data.style.widthBoundsMm;
    [width.min, width.max] = [Math.ceil(least * factor), Math.floor(most * factor)];
  }

  function asked() {
    const inMm = unit.value === "px" ? (width.value / dpi.value) * MM_PER_INCH : width.value;
    return JSON.stringify({
      heading: heading.value,
      caption: caption.value,
      width_mm: Number(inMm),
      dpi: Number(dpi.value),
    });
  }

  // --- Files -----------------------------------------------------------------------------

  async function fetchFile(button, file) {
    if (file.asks && !form.reportValidity()) return;
    button.setAttribute("aria-busy", "true");
    say(data.making, false);
    try {
      const how = file.asks ? { method: "POST", body: asked() } : {};
      const answer = await fetch(new URL(file.address, document.baseURI), how);
      if (!answer.ok) {
        say(await answer.text(), true);
        return;
      }
      hand(await answer.blob(), file.name);
      say("", false);
    } catch {
      say(data.unreachable, true);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  function hand(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    // The browser has taken hold of the file by then.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  // A button that stays keeps the focus.
  function show(place, files) {
    files.forEach((file, i) => {
      const button = place.children[i] ?? place.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = file.label;
      button.disabled = !file.address;
      button.onclick = () => {
        if (!button.hasAttribute("aria-busy")) fetchFile(button, file);
      };
    });
  }

  const inSight = data.files.filter(({ more }) => !more);
  show(find(".files"), inSight);
  const panel = find(".panel");
  const more =
    find(".files").children[inSight.length] ??
    find(".files").appendChild(document.createElement("button"));
  more.type = "button";
  more.textContent = data.more;
  more.setAttribute("aria-controls", panel.id);
  more.setAttribute("aria-expanded", !panel.hidden);
  more.onclick = () => {
    panel.hidden = !panel.hidden;
    // Beside the buttons that were pressed last.
    (panel.hidden ? find(".row") : panel).append(words);
    more.setAttribute("aria-expanded", !panel.hidden);
    // The page's own style asks for it.
    more.getRootNode().host?.toggleAttribute("data-open", !panel.hidden);
  };
  show(find(".asked"), data.files.filter(({ more }) => more));
}
