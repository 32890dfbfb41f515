"""Structural similarity (SSIM) of two clips, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Luma = NDArray[np.floating]
    Frames = NDArray[np.uint8]
else:
    Luma = Frames = object

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the brightness of a pixel (ITU-R BT.601)."""

WINDOW = 7
"""Pixels a side of the square in which brightness, contrast and structure are compared."""
STABILISERS = (0.01, 0.03)
"""Shares of the range that keep flat dark squares from dividing by nothing (Wang et al. 2004, K1 and K2)."""


def structural_similarity(first: Iterable[Luma], second: Iterable[Luma], span: float = 255.0) -> float:
    """Mean structural similarity of two stacks of grey frames, 1 for equal ones (Wang, Bovik, Sheikh and Simoncelli
    2004, IEEE Transactions on Image Processing 13:600, equation 13).

    ``first``, ``second``: frames x height x width, grey levels from 0 to ``span``, of one shape. Squares of WINDOW
    pixels (less where a frame is smaller) that lie wholly in the frame, all pixels weighted alike, unbiased variances:
    as in scikit-image, whose figures the tests hold.
    """
    import numpy as np

    return float(np.mean([_frame(mine, theirs, span) for mine, theirs in zip(first, second, strict=True)]))


def frame_similarities(first: Frames, second: Frames) -> list[float]:
    """Structural similarity of each frame of two clips, by brightness (see ``structural_similarity``).

    ``first``, ``second``: frames x height x width x 3, of one shape.
    """
    import numpy as np

    luma = np.array(LUMA, dtype=np.float32)
    return [_frame(mine.astype(np.float32) @ luma, theirs.astype(np.float32) @ luma, 255.0)
            for mine, theirs in zip(first, second, strict=True)]


def _frame(first: Luma, second: Luma, span: float) -> float:
    """Structural similarity of one frame: a whole clip at once would take a gigabyte."""
    import numpy as np
    from scipy.ndimage import uniform_filter

    first, second = first.astype(np.float64), second.astype(np.float64)
    side = min(WINDOW, *first.shape)
    side -= 1 - side % 2
    edge = side // 2
    inside = (slice(edge, first.shape[0] - edge), slice(edge, first.shape[1] - edge))

    def mean(values: Luma) -> Luma:
        return np.asarray(uniform_filter(values, size=side))[inside]

    unbiased = side * side / (side * side - 1.0) if side > 1 else 1.0
    mine, theirs = mean(first), mean(second)
    spread = unbiased * ((mean(first * first) - mine * mine) + (mean(second * second) - theirs * theirs))
    shared = unbiased * (mean(first * second) - mine * theirs)
    light, contrast = ((weak * span) ** 2 for weak in STABILISERS)
    alike = (2.0 * mine * theirs + light) * (2.0 * shared + contrast)
    alike /= (mine * mine + theirs * theirs + light) * (spread + contrast)
    return float(np.mean(alike))
