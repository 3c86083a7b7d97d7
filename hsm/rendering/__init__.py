"""Frames of stored objects as pictures: what may be wished for, and the confined processes that draw them."""

from hsm.rendering.renderers import NotRendered, Rendered, Renderers, RenderersBusy
from hsm.rendering.wish import Window, WindowFunction, Wish

__all__ = ["NotRendered", "Rendered", "Renderers", "RenderersBusy", "Window", "WindowFunction", "Wish"]
