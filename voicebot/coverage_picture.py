"""The picture of `voicebot kb evaluate --picture`: wrong answers by how much is answered."""

from __future__ import annotations

from pathlib import Path

from kb.coverage import Comparison
from voicebot.commands.session import InputError


def draw(comparison: Comparison, path: Path) -> None:
    """Writes a PNG.

    Raises:
        InputError: the file cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), dpi=120, layout="constrained")
    for curve in (comparison.search, comparison.cosine):
        axes.plot(100 * curve.coverage[1:], 100 * curve.risk[1:], label=curve.name)
    axes.axvline(100 * comparison.coverage, color="grey", lw=1, ls="--", label="as configured")
    axes.set_xlabel("questions answered, % of all")
    axes.set_ylabel("wrong among the answers, %")
    axes.set_title("Answers and errors by threshold", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path, metadata={"Software": None})
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        pyplot.close(figure)
