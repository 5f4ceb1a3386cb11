// Draws how many pixels have which level, for red, green and blue, as three lines.

const COLOURS = ["#ff8d84", "#63c592", "#7fb2ff"];
const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 256, HEIGHT = 80;

// histogram: three lists of shares, 0 to 1. A bin that holds a tenth of the picture reaches the top.
export function draw(svg, histogram) {
  const most = Math.max(0.1, ...histogram.flatMap((bins) => bins.slice(1, -1)));
  svg.replaceChildren(...histogram.map((bins, channel) => {
    const line = document.createElementNS(NAMESPACE, "polyline");
    const places = bins.map((share, n) => `${((n + 0.5) * WIDTH) / bins.length},${HEIGHT - 2 - (HEIGHT - 6) * Math.min(1, Math.sqrt(share / most))}`);
    line.setAttribute("points", places.join(" "));
    line.setAttribute("fill", "none");
    line.setAttribute("stroke", COLOURS[channel]);
    line.setAttribute("stroke-width", "1.5");
    line.setAttribute("vector-effect", "non-scaling-stroke");
    return line;
  }));
}
