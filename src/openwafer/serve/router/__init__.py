"""The router: which backend a request goes to, when, and why."""
