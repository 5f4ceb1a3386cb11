// The one way from the quality control's pages to their server.

import { ask as asked } from "./ask.js";

export const ask = (what, body) => asked("POST", `/qc/${what}`, body);
export const read = (what) => asked("GET", `/qc/${what}`);

// Says a sentence over the page; nothing takes it away.
export function notice(sentence) {
  const place = document.getElementById("notice");
  place.hidden = !sentence;
  place.querySelector("p").textContent = sentence ?? "";
}
