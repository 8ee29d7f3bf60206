"""Personal data is deleted when its time is over (保存期限), and the audit says how much."""
