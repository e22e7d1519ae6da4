"""Code that several sources share: connections, API clients, and limits that apply to all of them."""
