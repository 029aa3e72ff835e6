"""Objects as SVG outlines: one path an object, which opens in a browser and in every drawing program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from unetkit.objects.outline import Outline, Ring
from unetkit.vector.format import Add, ImageObjects, Say


@contextmanager
def draw_svg(image: ImageObjects, path: Path, say: Say) -> Iterator[Add]:
    """Begin an SVG in pixels. Each path has the object's number and class as its title; holes are left open."""
    del say
    height, width = image.size
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">\n<style>path {{ fill-rule: evenodd; fill-opacity: .25; '
            "stroke-width: 1.5px; vector-effect: non-scaling-stroke }\n"
        )
        for index, colour in enumerate(image.classes.colours):
            shade = "#{:02x}{:02x}{:02x}".format(*colour)
            file.write(f".c{index} {{ fill: {shade}; stroke: {shade} }}\n")
        file.write("</style>\n")

        def add(outline: Outline) -> None:
            shape = "".join(_ring(ring) for polygon in outline.polygons for ring in polygon)
            title = escape(f"{outline.id} {image.class_name(outline.id)}")
            kind = image.class_of(outline.id)
            file.write(f'<path id="object-{outline.id}" class="c{kind}" d="{shape}"><title>{title}</title></path>\n')

        yield add
        file.write("</svg>\n")


def _ring(ring: Ring) -> str:
    first, *others = [f"{column} {row}" for column, row in ring.tolist()]
    return f"M{first}L{' '.join(others)}Z"
