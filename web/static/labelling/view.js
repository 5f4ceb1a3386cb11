// Which part of a field is seen: pinch, drag, wheel and buttons. A touch that goes nowhere is a tap.

const CLOSEST = 8;
const SLIP_PX = 8; // of the screen: a finger that moves less has tapped

// svg: its viewBox is moved.  size: of the field, px.  tapped(x, y): in px of the field.
export function viewOf(svg, { width, height }, tapped) {
  let view = { x: 0, y: 0, share: 1 };
  const fingers = new Map();
  let moved = false;

  function show() {
    const share = Math.min(1, Math.max(1 / CLOSEST, view.share));
    const clamp = (at, whole) => Math.min(whole * (1 - share), Math.max(0, at));
    view = { share, x: clamp(view.x, width), y: clamp(view.y, height) };
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${width * share} ${height * share}`);
    svg.dispatchEvent(new CustomEvent("viewed"));
  }

  // Enlarges by a factor about a place of the screen; what lies there stays there.
  function zoom(factor, at) {
    const before = placeAt(at);
    const share = Math.min(1, Math.max(1 / CLOSEST, view.share / factor));
    const ratio = share / view.share;
    view = { share, x: before.x - (before.x - view.x) * ratio, y: before.y - (before.y - view.y) * ratio };
    show();
  }

  function placeAt({ x, y }) {
    const place = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM().inverse());
    return { x: place.x, y: place.y };
  }

  const middle = () => {
    const box = svg.getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  const spread = () => {
    const [one, other] = [...fingers.values()];
    return { apart: Math.hypot(one.x - other.x, one.y - other.y), x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
  };

  svg.addEventListener("pointerdown", (event) => {
    if (fingers.size === 0) moved = false;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, from: { x: event.clientX, y: event.clientY } });
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const before = fingers.size === 2 ? spread() : null;
    const [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y];
    finger.x = event.clientX;
    finger.y = event.clientY;
    if (Math.hypot(finger.x - finger.from.x, finger.y - finger.from.y) > SLIP_PX || before) moved = true;
    if (before) {
      const after = spread();
      if (before.apart > 0) zoom(after.apart / before.apart, after);
    } else if (moved) {
      const scale = svg.getScreenCTM().a;
      view = { ...view, x: view.x - dx / scale, y: view.y - dy / scale };
      show();
    }
  });
  svg.addEventListener("pointerup", (event) => {
    const alone = fingers.size === 1 && fingers.has(event.pointerId);
    fingers.delete(event.pointerId);
    if (alone && !moved) {
      const { x, y } = placeAt({ x: event.clientX, y: event.clientY });
      tapped(x, y);
    }
  });
  svg.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  svg.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, { x: event.clientX, y: event.clientY }); }, { passive: false });
  show();
  return {
    closer: () => zoom(1.5, middle()),
    farther: () => zoom(1 / 1.5, middle()),
    whole: () => { view = { x: 0, y: 0, share: 1 }; show(); },
    // How many px of the field a px of the screen is.
    scale: () => 1 / svg.getScreenCTM().a,
  };
}
