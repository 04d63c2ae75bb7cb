"""Delivery to InfluxDB."""
