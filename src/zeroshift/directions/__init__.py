"""Edit directions as things of their own: measured, composed, exchanged with other tools, published."""
