// Buttons that fetch a file and hand it to the browser, or say why they cannot.
//
// data.files: [{ what, label, name, address }], an empty address for one that is not offered.
// data.making, data.unreachable: the sentences for a file on its way and for a lost server.

export default function ({ data, parentElement }) {
  const buttons = parentElement.querySelector(".buttons");
  const words = parentElement.querySelector(".words");

  function say(sentence, isProblem) {
    words.textContent = sentence;
    words.classList.toggle("problem", isProblem);
  }

  async function fetchFile(button, file) {
    button.setAttribute("aria-busy", "true");
    say(data.making, false);
    try {
      const answer = await fetch(new URL(file.address, document.baseURI));
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
  data.files.forEach((file, i) => {
    const button = buttons.children[i] ?? buttons.appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = file.label;
    button.disabled = !file.address;
    button.onclick = () => {
      if (!button.hasAttribute("aria-busy")) fetchFile(button, file);
    };
  });
}
