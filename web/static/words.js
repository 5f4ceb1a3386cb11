// Sentences in the person's language: the layout's JSON block holds those that differ from English.

const words = JSON.parse(document.getElementById("words")?.textContent || "{}");

// Returns a sentence with {names} filled in.
export function _(english, values = {}) {
  return (words[english] ?? english).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}
