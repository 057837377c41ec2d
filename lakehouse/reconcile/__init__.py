"""Compares the warehouse with what the shop's own audit says happened.

What it can and cannot see is told in `lakehouse.reconcile.run`.
"""
