"""Labels to print: stickers for cartridges, faces and inlays for discs, as PDF. README.md beside this file."""
