"""Malformed and odd records with the verdict that every engine has to give them."""
