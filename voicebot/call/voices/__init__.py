"""The voices (语音合成) the bot can speak with, and what is done to any voice's sound."""
