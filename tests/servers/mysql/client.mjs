// The calls that every language makes, by mysql2: client.mjs PORT TABLE [compressed].
import mysql from "mysql2/promise";
import assert from "node:assert/strict";

const [port, table, compressed] = process.argv.slice(2);
const connection = await mysql.createConnection({
  host: "127.0.0.1", port: Number(port), user: "keeper", password: "secret", database: "shop", charset: "utf8mb4",
  compress: compressed === "compressed",
});
const insert = `INSERT INTO ${table} VALUES (?, ?, ?, ?)`;
await connection.execute(insert, [1, "grüße", 1.5, Buffer.from([0xde, 0xad, 0xff])]);
await connection.execute(insert, [2, null, -2.25, Buffer.alloc(0)]);
await assert.rejects(connection.execute(insert, [1, "again", 0.5, Buffer.from("z")]), { errno: 1062 });
const [rows] = await connection.execute(`SELECT id, name FROM ${table} WHERE id >= ? ORDER BY id`, [1]);
assert.deepEqual(rows.map((row) => row.id), [1, 2]);
await assert.rejects(connection.execute(`SELECT 1 FROM no_${table} WHERE id = ?`, [1]), { errno: 1146 });
await connection.end();
