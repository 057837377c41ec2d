"""What exists only to run the pipeline on one machine: its servers, a simulated shop, the demo."""
