"""Reading recordings: what they hold, when each picture and sound is presented, and decoding."""
