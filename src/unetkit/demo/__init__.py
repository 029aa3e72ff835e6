"""The whole story on data that comes with the package: generated cells, and a real photograph of coins."""

from unetkit.demo.cells import draw_cells, write_cells
from unetkit.demo.coins import coin_outlines, draw_coins, write_coins
from unetkit.demo.story import run_demo

__all__ = ["coin_outlines", "draw_cells", "draw_coins", "run_demo", "write_cells", "write_coins"]
