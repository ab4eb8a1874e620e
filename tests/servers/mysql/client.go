// The calls that every language makes, by go-sql-driver: client PORT TABLE.
package main

import (
	"database/sql"
	"errors"
	"log"
	"os"

	"github.com/go-sql-driver/mysql"
)

func main() {
	port, table := os.Args[1], os.Args[2]
	pool, err := sql.Open("mysql", "keeper:secret@tcp(127.0.0.1:"+port+")/shop?charset=utf8mb4")
	must(err)
	pool.SetMaxOpenConns(1)
	insert, err := pool.Prepare("INSERT INTO " + table + " VALUES (?, ?, ?, ?)")
	must(err)
	_, err = insert.Exec(int64(1), "grüße", 1.5, []byte{0xde, 0xad, 0xff})
	must(err)
	_, err = insert.Exec(int64(2), nil, -2.25, []byte{})
	must(err)
	_, err = insert.Exec(int64(1), "again", 0.5, []byte("z"))
	fails(err, 1062)
	must(insert.Close())
	query, err := pool.Prepare("SELECT id, name FROM " + table + " WHERE id >= ? ORDER BY id")
	must(err)
	rows, err := query.Query(int64(1))
	must(err)
	count := 0
	for rows.Next() {
		count++
	}
	must(rows.Err())
	if count != 2 {
		log.Fatalf("%d rows", count)
	}
	must(query.Close())
	_, err = pool.Prepare("SELECT 1 FROM no_" + table + " WHERE id = ?")
	fails(err, 1146)
	must(pool.Close())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func fails(err error, number uint16) {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) || answer.Number != number {
		log.Fatalf("%v instead of error %d", err, number)
	}
}
