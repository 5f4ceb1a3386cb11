// Numbers as the person's language writes them, and moments in the laboratory's zone.

const language = document.documentElement.lang || "en";
const written = (digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const one = written(1);
const two = written(2);
const short = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
const whole = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const precise = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const timeZone = known(document.documentElement.dataset.zone);
const dated = language === "en" ? "en-GB" : language; // the day first, and 24 hours, as the pages write them
const moments = new Intl.DateTimeFormat(dated, { dateStyle: "medium", timeStyle: "short", timeZone });
const days = new Intl.DateTimeFormat(dated, { dateStyle: "medium", timeZone });
const clocks = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone });

export const share = (value) => whole.format(value); // 0 to 1
export const percent = (value) => precise.format(value / 100); // 0 to 100
export const tenth = (value) => one.format(value);
export const plain = (value) => short.format(value); // as many decimals as it has
export const hundredth = (value) => two.format(value);
export const moment = (iso) => moments.format(new Date(iso));
export const clock = (when) => clocks.format(new Date(when));
export const day = (iso) => days.format(new Date(iso));

// A zone that this browser does not know would be an error: then it is the browser's own.
function known(zone) {
  try {
    return new Intl.DateTimeFormat(language, { timeZone: zone || undefined }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}
