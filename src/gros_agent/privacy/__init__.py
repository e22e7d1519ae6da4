"""Pseudonyms of people: the formula, a project's secrets, and people in free text."""
