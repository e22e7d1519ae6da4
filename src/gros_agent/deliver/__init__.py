"""Registration at the controller, and the delivery of batches that wait in the outbox."""
