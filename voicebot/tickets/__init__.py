"""Work orders (工单): their life, deadlines, reminders, duplicates and disputes."""
