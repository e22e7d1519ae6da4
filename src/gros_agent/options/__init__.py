"""What a setting is: its value and origin, its declaration, and whether a controller may set it."""
