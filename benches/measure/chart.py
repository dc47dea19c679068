"""A chart of lines as SVG, over an axis of doubling steps."""

import math

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 150, 50, 50
COLOURS = ("#1f6feb", "#8b949e", "#d29922")
FONT = 'font-family="sans-serif" font-size="13" fill="#57606a"'


def draw(title, axis, lines):
    """`lines` has the points of each line by its name: (x, y), x doubling."""
    xs = sorted({x for points in lines.values() for x, _ in points})
    top = ceiling(max(y for points in lines.values() for _, y in points))
    span = max(1.0, math.log2(xs[-1]) - math.log2(xs[0]))

    def at(x, y):
        across = (math.log2(x) - math.log2(xs[0])) / span
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" {FONT} font-weight="bold">{title}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        _, y = at(xs[0], value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" {FONT} text-anchor="end">{value:,.0f}</text>')
    for x in xs:
        across, _ = at(x, 0)
        y = HEIGHT - BOTTOM + 20
        parts.append(f'<text x="{across:.1f}" y="{y}" {FONT} text-anchor="middle">{x}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" {FONT} text-anchor="middle">{axis}</text>')
    for number, ((name, points), colour) in enumerate(zip(lines.items(), COLOURS)):
        places = [at(x, y) for x, y in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        # Names stand in a legend: at the end of their lines they would overlap where the lines do.
        x, y = WIDTH - RIGHT + 16, TOP + 10 + 22 * number
        parts.append(f'<path d="M{x} {y}h18" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 24}" y="{y + 4}" {FONT}>{name}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def ceiling(value):
    """The next round number."""
    step = 10 ** math.floor(math.log10(value))
    return next(step * factor for factor in (1, 2, 4, 6, 8, 10) if step * factor >= value)
