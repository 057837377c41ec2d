"""Topics and their brokers: how to connect, what there should be, what there is."""
