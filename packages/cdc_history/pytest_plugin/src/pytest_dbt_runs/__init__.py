"""Tests of dbt models over several runs; README.md says how to write them."""
