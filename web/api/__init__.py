"""The JSON API, version 1: what the pages themselves use, and what other programs may.

Its document, `/api/v1/openapi.json`, is made from this code.
"""
