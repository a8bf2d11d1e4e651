// Can the page run here? If not, one line says why and what to do. No module: from a file, the
// browser would not even load one.

function tell(text) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = !text;
}

if (location.protocol === "file:") {
  tell("Browsers load no model from a file: run `make demo-serve` and open the address it prints.");
} else if (typeof WebAssembly !== "object") {
  tell("This browser has no WebAssembly, or it is switched off: please use another, or allow it here.");
} else {
  import("./main.js").catch((error) => {
    tell(`The page could not start (${error.message}): build it anew with \`make demo\` and reload.`);
  });
}
