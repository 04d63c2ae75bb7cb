"""How far it goes: a fleet, calculated, and each step of the calculation checked by a small case that is measured."""
