"""Who is on duty and how they are told (R8): directory, rotas, notices with receipts.

calendar.py  hours.py     kinds of days; when a row of a table is in force
rota.py                   who answers at a minute, who is next, and where nobody is. Pure
names.py                  lines and regions as people write them
number_file.py  shift_file.py  reading_rows.py    tables from files, faulty rows named
changing.py               what an import would change, and the change with its history
directory.py              the numbers in force, read from the database
following.py              running calls have a change within seconds
checks.py                 gaps, rows that never come into force, lines that nobody answers
notices/                  messages to people on duty until one of them says that he has it
"""
