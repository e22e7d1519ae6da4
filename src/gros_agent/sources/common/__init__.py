"""What several sources share: what connects, what asks an API, what all of them have to keep to."""
