"""The warehouse on Redshift: connections, its state for the person on duty, comparisons."""
