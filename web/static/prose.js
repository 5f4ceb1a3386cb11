// Sentences that may hold a command or a setting: such a part is not broken at the end of a line.

const CALIBRATING = "Service: Microscope and calibration";
const CODE = /(Service: Microscope and calibration|\[\w+\] \w+|hemadiff [a-z]+|--[a-z][\w-]*(?: \w+:\w+)?)/;

export function sayProse(part, text) {
  if (part.textContent === text) return; // nothing new for a screen reader
  const pieces = text.split(CODE); // every second one is code
  part.replaceChildren(...pieces.map((piece, n) => (n % 2 ? linked(piece) ?? Object.assign(document.createElement("span"), { className: "code", textContent: piece }) : piece)));
}

// The page that calibrates, for whoever may open it: then the menu leads to the service pages too.
function linked(piece) {
  if (piece !== CALIBRATING || !document.querySelector('a[href="/service"]')) return null;
  return Object.assign(document.createElement("a"), { href: "/service/microscope", textContent: piece });
}
