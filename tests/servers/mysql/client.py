"""The calls that every language makes, by mysql-connector-python: client.py PORT TABLE."""
import sys

import mysql.connector

port, table = int(sys.argv[1]), sys.argv[2]
connection = mysql.connector.connect(host="127.0.0.1", port=port, user="keeper", password="secret", database="shop", autocommit=True,
                                     use_pure=True, ssl_disabled=True, charset="utf8mb4", collation="utf8mb4_general_ci")


def failing(cursor, text, parameters, code):
    try:
        cursor.execute(text, parameters)
        cursor.fetchall()
    except mysql.connector.Error as error:
        assert error.errno == code, error
    else:
        raise SystemExit(f"no error {code} came")


# the text itself is the key by which the connector finds what it prepared
add = f"INSERT INTO {table} VALUES (?, ?, ?, ?)"
insert = connection.cursor(prepared=True)
for person in ((1, "grüße", 1.5, b"\xde\xad\xff"), (2, None, -2.25, b"")):
    insert.execute(add, person)
failing(insert, add, (1, "again", 0.5, b"z"), 1062)
insert.close()
select = connection.cursor(prepared=True)
select.execute(f"SELECT id, name FROM {table} WHERE id >= ? ORDER BY id", (1,))
assert [row[0] for row in select.fetchall()] == [1, 2]
select.close()
failing(connection.cursor(prepared=True), f"SELECT 1 FROM no_{table} WHERE id = ?", (1,), 1146)
connection.close()
