"""The proof of history: reference model, generators, worked histories, property tests."""
