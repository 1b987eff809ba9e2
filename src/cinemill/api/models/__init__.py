"""What requests and responses hold, one module a resource."""
