"""A flat map of cells, on which neighbours are cells that the network describes alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEWEST = 8  # fewer cells make no map
PERPLEXITY = 30.0  # of the paper's 5 to 50


def flat_map(features: NDArray[np.float32], seed: int = 1) -> NDArray[np.float32]:
    """Return a place on the map, N×2, for each of N×features descriptions. Needs the package scikit-learn.

    t-SNE (van der Maaten and Hinton 2008), begun from the principal components. Who is whose neighbour can be read
    off it; distances between groups and the sizes of groups cannot. Raises ValueError for fewer than 8 cells.
    """
    from sklearn.manifold import TSNE

    if len(features) < FEWEST:
        raise ValueError(f"A map needs {FEWEST} cells, there are {len(features)}.")
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    spread = bool(np.ptp(features, axis=0).any())
    method = TSNE(perplexity=perplexity, init="pca" if spread else "random", random_state=seed)
    return np.asarray(method.fit_transform(features), dtype=np.float32)
