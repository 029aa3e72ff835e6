"""What labels are worth."""
