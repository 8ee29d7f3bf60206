"""What people at desks write beside a call: an agent's form, an officer's word of a hand-off."""
