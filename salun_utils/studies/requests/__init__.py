"""Requests in a row: what is left of forgetting when one request follows another."""
