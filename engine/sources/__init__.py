"""From files of all sorts to images in the workspace and questions about them. The door is `intake.take_in`."""
