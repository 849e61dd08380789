"""Worlds with a known answer, in which a claim about retention can be tested within a minute."""
