"""PostgreSQL clients of psycopg: a pool used by several threads, pipeline mode, COPY.

    client.py pool THREADS EACH | pipeline COUNT | copy ROWS

The server is the one that PGHOST, PGPORT, PGUSER and PGDATABASE name. Every answer is checked.
"""
import sys
import threading

import psycopg
import psycopg_pool


def pool(threads, each):
    """Each thread borrows a connection for each statement; `SELECT thread, number` with both as parameters."""
    with psycopg_pool.ConnectionPool("", min_size=2, max_size=3, kwargs={"autocommit": True}) as connections:
        def work(thread):
            for number in range(each):
                with connections.connection() as connection:
                    row = connection.execute("SELECT %s::int4, %s::text", (thread, f"number {number}")).fetchone()
                    assert row == (thread, f"number {number}"), row
        workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def pipeline(count):
    """Statements without waiting for answers; then a pipeline whose second statement fails, so that the third is not run."""
    with psycopg.connect("", autocommit=True, prepare_threshold=None) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int4 * 2", (number,)) for number in range(count)]
        assert [cursor.fetchone()[0] for cursor in cursors] == [number * 2 for number in range(count)]
        try:
            with connection.pipeline():
                for divisor in (1, 0, 2):
                    connection.execute("SELECT 10 / %s::int4", (divisor,))
            raise SystemExit("no error came")
        except psycopg.errors.DivisionByZero:
            pass
        assert connection.execute("SELECT 'after'").fetchone() == ("after",)


def copy(rows):
    with psycopg.connect("", autocommit=True) as connection:
        connection.execute("CREATE TABLE copied (a int4, b text)")
        with connection.cursor().copy("COPY copied FROM STDIN") as into:
            for number in range(rows):
                into.write_row((number, "x" * 50))
        with connection.cursor().copy("COPY copied TO STDOUT") as out:
            assert sum(1 for _ in out.rows()) == rows
        try:
            with connection.cursor().copy("COPY copied FROM STDIN") as into:
                into.write_row(("no number", "x"))
            raise SystemExit("no error came")
        except psycopg.errors.InvalidTextRepresentation:
            pass
        assert connection.execute("SELECT count(*) FROM copied").fetchone() == (rows,)


{"pool": pool, "pipeline": pipeline, "copy": copy}[sys.argv[1]](*map(int, sys.argv[2:]))
