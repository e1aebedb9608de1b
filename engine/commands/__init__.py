"""What each command does once its words are understood. `engine.cli` knows the words and imports these late."""
