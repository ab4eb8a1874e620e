"""A PostgreSQL client of psycopg2: older.py COUNT.

The server is the one that PGHOST, PGPORT, PGUSER and PGDATABASE name. Every answer is checked.
"""
import sys

import psycopg2

connection = psycopg2.connect("")
connection.autocommit = True
with connection.cursor() as cursor:
    for number in range(int(sys.argv[1])):
        cursor.execute("SELECT %s * 3, %s", (number, "a text"))
        assert cursor.fetchone() == (number * 3, "a text")
    try:
        cursor.execute("SELECT * FROM nothing")
        raise SystemExit("no error came")
    except psycopg2.errors.UndefinedTable:
        pass
connection.close()
