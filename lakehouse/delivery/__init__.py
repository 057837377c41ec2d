"""What the workflows do in AWS: run commands inside the VPC, publish and activate releases."""
