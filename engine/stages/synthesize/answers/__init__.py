"""Final answers of closed questions: found in a reply, brought to one form per type, and voted on."""
