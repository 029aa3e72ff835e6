"""unetkit: image segmentation with U-Nets that works on a laptop, from few labels, and can be understood."""

__version__ = "0.1.0"
