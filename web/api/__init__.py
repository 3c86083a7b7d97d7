"""The REST API under /api/v1: the same doors as the pages and the command line, for programs.

An operation is one function with types: what it takes and gives is in its signature, and the OpenAPI document, the page
about it, and the checks of what arrives are all made from there.
"""
