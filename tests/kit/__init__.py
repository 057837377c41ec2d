"""What the tests of several folders share. A test imports from here and its own folder only."""
