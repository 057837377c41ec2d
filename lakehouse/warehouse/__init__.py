"""The warehouse on Redshift: its deployment, its state for the person on duty, comparisons."""
