"""A plot of points joined to lines, as SVG, with a list of what is what."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

Point: TypeAlias = tuple[float, float, str]
"""x, y and what it is called"""
WIDTH, HEIGHT, MARGIN = 760, 420, 64
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c564b", "#7f7f7f")


def curve(
    lines: Mapping[str, Sequence[Point]], x_name: str, y_name: str, y_ends: tuple[float, float] | None = None
) -> str:
    """Lines by their names, numbered at their last points; points that are not defined are left out.

    Axes end a little beyond the points, that of y at ``y_ends`` where they are given.
    """
    known = {
        name: [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
        for name, points in lines.items()
    }
    every = [point for points in known.values() for point in points]
    if not every:
        return ""
    (x0, x1), (y0, y1) = _range([x for x, _, _ in every]), y_ends or _range([y for _, y, _ in every])

    def at(x: float, y: float) -> tuple[float, float]:
        across = MARGIN + (x - x0) / (x1 - x0) * (WIDTH - 2 * MARGIN)
        return across, HEIGHT - MARGIN - (y - y0) / (y1 - y0) * (HEIGHT - 2 * MARGIN)

    drawn, legend = [_axes(x_name, y_name, (x0, x1), (y0, y1))], []
    for number, (name, points) in enumerate(known.items(), start=1):
        colour, places = COLOURS[number % len(COLOURS)], [at(x, y) for x, y, _ in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), (_, _, called) in zip(places, points, strict=True):
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{escape(called)}</title>')
            drawn.append("</circle>")
        if places:
            x, y = places[-1]
            up = -8 if number % 2 else 18  # those at one height stay legible a little longer
            drawn.append(f'<text x="{x:.1f}" y="{y + up:.1f}" text-anchor="middle" fill="{colour}">{number}</text>')
            legend.append(f'<li value="{number}" style="color:{colour}">{escape(name)}</li>')
    plot = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-size="13">{"".join(drawn)}</svg>'
    return f'{plot}<ol class="legend">{"".join(legend)}</ol>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    return low - room, high + room


def _axes(x_name: str, y_name: str, x: tuple[float, float], y: tuple[float, float]) -> str:
    bottom, right = HEIGHT - MARGIN, WIDTH - MARGIN
    line = f'<path d="M{MARGIN},{MARGIN} V{bottom} H{right}" fill="none" stroke="#888"/>'
    marks = [
        f'<text x="{MARGIN}" y="{bottom + 18}">{x[0]:.3g}</text>',
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">{x[1]:.3g}</text>',
        f'<text x="{(MARGIN + right) / 2}" y="{bottom + 36}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text x="{MARGIN - 6}" y="{bottom}" text-anchor="end">{y[0]:.3g}</text>',
        f'<text x="{MARGIN - 6}" y="{MARGIN + 5}" text-anchor="end">{y[1]:.3g}</text>',
        f'<text x="{MARGIN}" y="{MARGIN - 14}">{escape(y_name)}</text>',
    ]
    return line + "".join(marks)
