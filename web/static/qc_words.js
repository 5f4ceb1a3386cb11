// What several of the quality control's parts say alike.

import { _ } from "./words.js";

export const findsThatAreNoCell = (count) => (count === 1 ? _("1 find is no cell") : _("{count} finds are no cells", { count }));
