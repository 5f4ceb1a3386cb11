// Sentences that may hold a command or a setting: such a part is not broken at the end of a line.

const CODE = /(\[\w+\] \w+|hemadiff [a-z]+|--[a-z][\w-]*(?: \w+:\w+)?)/;

export function sayProse(part, text) {
  if (part.textContent === text) return; // nothing new for a screen reader
  const pieces = text.split(CODE); // every second one is code
  part.replaceChildren(...pieces.map((piece, n) => (n % 2 ? Object.assign(document.createElement("span"), { className: "code", textContent: piece }) : piece)));
}
