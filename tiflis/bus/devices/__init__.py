"""The device keys of all tunnels, as the bus stores them."""
