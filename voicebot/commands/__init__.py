"""The commands of `voicebot`, a module each; heavy imports wait until a command runs."""
