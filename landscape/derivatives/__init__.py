"""Second derivatives: operations that have them, and products with the matrices made of them."""
