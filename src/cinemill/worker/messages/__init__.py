"""Messages: queues, transport, decoding within bounds, dead letters."""
