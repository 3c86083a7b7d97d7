"""What these tests need is large and comes from outside: they run where somebody asks, with `make test-ohif`."""

import os

import pytest

HERE = os.environ.get("FIRN_OHIF", "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs the viewer where nobody asked for it."""
    for item in items:
        if item.get_closest_marker("ohif") and not HERE:
            item.add_marker(pytest.mark.skip(reason="needs the OHIF viewer; `make test-ohif` fetches it"))
