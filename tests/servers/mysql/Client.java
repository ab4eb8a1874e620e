import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;

/** The calls that every language makes, by MariaDB Connector/J: Client.java PORT TABLE. */
class Client {
    public static void main(String[] args) throws SQLException {
        String table = args[1];
        String url = "jdbc:mariadb://127.0.0.1:" + args[0] + "/shop?user=keeper&password=secret&useServerPrepStmts=true";
        try (Connection connection = DriverManager.getConnection(url)) {
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?, ?, ?, ?)")) {
                person(insert, 1, "grüße", 1.5, new byte[] {(byte) 0xde, (byte) 0xad, (byte) 0xff});
                person(insert, 2, null, -2.25, new byte[] {});
                fails(1062, () -> person(insert, 1, "again", 0.5, new byte[] {'z'}));
            }
            try (PreparedStatement select = connection.prepareStatement("SELECT id, name FROM " + table + " WHERE id >= ? ORDER BY id")) {
                select.setInt(1, 1);
                ResultSet rows = select.executeQuery();
                int count = 0;
                while (rows.next()) {
                    count++;
                }
                if (count != 2) {
                    throw new AssertionError(count + " rows");
                }
            }
            fails(1146, () -> {
                try (PreparedStatement wrong = connection.prepareStatement("SELECT 1 FROM no_" + table + " WHERE id = ?")) {
                    wrong.setInt(1, 1);
                    wrong.executeQuery();
                }
            });
        }
    }

    static void person(PreparedStatement insert, int id, String name, double score, byte[] photo) throws SQLException {
        insert.setInt(1, id);
        if (name == null) {
            insert.setNull(2, Types.VARCHAR);
        } else {
            insert.setString(2, name);
        }
        insert.setDouble(3, score);
        insert.setBytes(4, photo);
        insert.executeUpdate();
    }

    interface Call {
        void run() throws SQLException;
    }

    static void fails(int code, Call call) {
        try {
            call.run();
        } catch (SQLException error) {
            if (error.getErrorCode() == code) {
                return;
            }
            throw new AssertionError("instead of error " + code, error);
        }
        throw new AssertionError("no error " + code + " came");
    }
}
