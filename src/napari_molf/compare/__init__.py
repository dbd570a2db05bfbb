"""The Compare section: several scores side by side, and what one differs by from another."""
