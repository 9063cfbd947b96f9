"""Web push: notifications for devices that are out of sight."""
