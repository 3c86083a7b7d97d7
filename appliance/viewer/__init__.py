"""OHIF, a viewer of somebody else, as an option: fetched, checked, unpacked, and served on a port of its own."""
