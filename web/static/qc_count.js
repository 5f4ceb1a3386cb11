// Starts a count for quality control, and goes to the live page.

import { ask, notice } from "./qc_ask.js";

const button = document.getElementById("count");
button?.addEventListener("click", async () => {
  button.disabled = true;
  try {
    await ask("count", {});
    location.assign("/");
  } catch (error) {
    notice(error.message);
    button.disabled = false;
  }
});
