// The one way from the quality control's pages to their server.

export async function ask(what, body) {
  let answer;
  try {
    answer = await fetch(`/qc/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Error("The page's server does not answer. Try again in a moment.");
  }
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

export async function read(what) {
  const answer = await fetch(`/qc/${what}`, { cache: "no-store" });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

// Says a sentence over the page; nothing takes it away.
export function notice(sentence) {
  const place = document.getElementById("notice");
  place.hidden = !sentence;
  place.querySelector("p").textContent = sentence ?? "";
}
