"""What it costs in time, memory and traffic."""
