// The differential beside the gallery, as it is after every change.

import { _ } from "../words.js";
import { hundredth, percent, plain, tenth } from "./numbers.js";
import { part } from "./parts.js";

export function drawTally(place, review) {
  const { tally } = review;
  const names = new Map(review.labels.map((label) => [label.label, label.title]));
  place.replaceChildren(
    part("p", { className: "counted" }, part("strong", { textContent: tally.counted }), " ", _("counted; the least is {least}", tally)),
    table(tally),
    part("dl", { className: "facts" }, ...facts(tally, names).map(([term, value, kind]) => part("div", { className: kind ?? "" }, part("dt", { textContent: term }), part("dd", { textContent: value })))),
  );
}

// As it is signed: whole names, reference ranges, what lies beyond them, and what is unidentified.
export function drawResult(place, review) {
  const { tally } = review;
  const names = new Map(review.labels.map((label) => [label.label, label.title]));
  const lines = facts(tally, names);
  if (!tally.unidentified) lines.unshift([_("unidentified"), 0]);
  place.replaceChildren(
    part("p", { className: "counted" }, part("strong", { textContent: tally.counted }), " ", _("counted; the least is {least}", tally)),
    result(tally),
    part("dl", { className: "facts" }, ...lines.map(([term, value]) => part("div", {}, part("dt", { textContent: term }), part("dd", { textContent: value })))),
    part("p", {}, part("small", { textContent: _("▲ ▼ both 95 % limits lie beyond the reference range") })),
  );
}

function result(tally) {
  const heads = [[_("Label"), ""], ["n", "n"], ["%", "n"], [_("95 % limits"), "n"], [_("Reference"), "n"]];
  const rows = tally.rows.map((row) => {
    const name = part("th", { scope: "row" }, ...flagged(row), row.title);
    const range = row.reference ? `${plain(row.reference[0])}–${plain(row.reference[1])}` : "–";
    const texts = [row.count, tenth(row.percent), `${tenth(row.low)}–${tenth(row.high)}`, range];
    return part("tr", { className: flagOf(row) ? "beyond" : row.count ? "" : "none" }, name, ...texts.map((text) => part("td", { className: "n", textContent: text })));
  });
  return part("table", {}, part("thead", {}, part("tr", {}, ...heads.map(([textContent, className]) => part("th", { textContent, className, scope: "col" })))), part("tbody", {}, ...rows));
}

// In one sentence, for who does not see it change. label: whose row to tell.
export function toldTally(review, label) {
  const row = review.tally.rows.find((each) => each.label === label);
  const { counted } = review.tally;
  return row ? _("Counted {counted}; {label} {count}, {percent}.", { counted, label: row.title, count: row.count, percent: percent(row.percent) }) : _("Counted {counted}.", { counted });
}

function table(tally) {
  const head = [[_("Label"), ""], ["n", "n"], ["%", "n"], [_("95 % limits"), "n wide-only"], ["±", "n"]];
  const cells = head.map(([text, className]) => part("th", { textContent: text, className, scope: "col" }));
  cells.at(-1).setAttribute("aria-label", _("changed in review"));
  return part("table", {}, part("thead", {}, part("tr", {}, ...cells)), part("tbody", {}, ...tally.rows.map((row) => line(row, tally.machine[row.label] ?? 0))));
}

function line(row, machine) {
  const change = row.count - machine;
  const name = part("th", { scope: "row" }, ...flagged(row), part("abbr", { textContent: _(row.short), title: row.title, set: { "aria-label": row.title } }));
  const texts = [row.count, tenth(row.percent), `${tenth(row.low)}–${tenth(row.high)}`, change ? `${change > 0 ? "+" : "−"}${Math.abs(change)}` : ""];
  const values = texts.map((text, at) => part("td", { textContent: text, className: at === 2 ? "n limits wide-only" : "n" }));
  return part("tr", { className: [row.count ? "" : "none", change ? "moved" : ""].join(" ") }, name, ...values);
}

function flagged(row) {
  const flag = flagOf(row);
  return flag ? [part("span", { className: "flag", textContent: flag.sign, set: { role: "img", "aria-label": flag.said } })] : [];
}

// Both limits lie outside the reference range.
function flagOf(row) {
  if (!row.reference) return null;
  if (row.low > row.reference[1]) return { sign: "▲", said: _("above the reference range") };
  return row.high < row.reference[0] ? { sign: "▼", said: _("below the reference range") } : null;
}

function facts(tally, names) {
  const found = [];
  if (tally.unidentified) found.push([_("unidentified"), tally.unidentified, "waits"]);
  if (tally.me_ratio !== null) found.push([_("M:E"), `${hundredth(tally.me_ratio)} : 1`]);
  if (tally.erythroid_percent !== null) found.push([_("Erythroid"), percent(tally.erythroid_percent)]);
  if (tally.nrbc_per_100 !== null) found.push([_("NRBC per 100"), tenth(tally.nrbc_per_100)]);
  for (const [label, title] of names) { // in clinical order, which an object from a server loses
    if (tally.not_counted[label]) found.push([`${title}, ${_("not counted")}`, tally.not_counted[label]]);
  }
  if (tally.at_border) found.push([_("at the border of a field"), tally.at_border]);
  return found;
}
