"""Delivery to a receiver of OTLP."""
