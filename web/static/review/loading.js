// Says that pictures are on their way, where those in sight take longer than a moment.

import { _ } from "../words.js";
import { part } from "./parts.js";

const MOMENT_MS = 1000;

export function sayWhileLoading(gallery) {
  const place = part("p", { className: "loading", hidden: true, set: { role: "status" } });
  gallery.after(place);

  function waits() {
    return [...gallery.querySelectorAll("img")].some((image) => {
      const { top, bottom } = image.getBoundingClientRect();
      return !image.complete && bottom > 0 && top < innerHeight;
    });
  }

  function look() {
    place.hidden = !waits();
    place.textContent = place.hidden ? "" : _("Pictures are loading …");
    if (!place.hidden) setTimeout(look, MOMENT_MS / 4);
  }

  setTimeout(look, MOMENT_MS);
}
