"""Every parser of the service under random input: `make fuzz`, and for seconds in `make test`."""
