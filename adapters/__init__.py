"""Every foreign language, one file each in each folder that it needs. Nothing here decides; service/ does."""
