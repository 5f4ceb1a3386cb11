// Where a run stands with its signatures, in the person's language.

import { _ } from "../words.js";

export function standingSaid({ signatures, changed }) {
  const last = signatures.at(-1);
  if (!last) return _("Not signed.");
  const by = { status: _(last.status), who: last.who };
  if (!changed) return _("Signed as {status} by {who}.", by);
  if (last.status === "preliminary") return _("Signed as {status} by {who}; changed since it was signed: sign it anew.", by);
  return _("Signed as {status} by {who}; changed since it was signed: sign an amendment.", by);
}
