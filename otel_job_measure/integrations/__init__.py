"""Adapters of schedulers: one file each, on one contract."""
