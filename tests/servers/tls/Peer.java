import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * HTTPS in Java (JSSE), for the tests: serve PORT STORE, whose password is "secret"; client URL CA COUNT PAUSE_MS, which says what was
 * asked and answered in a line each: METHOD PATH STATUS SENT RECEIVED, separated by tabs.
 */
public class Peer {
    static void serve(int port, String path) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(path)) {
            store.load(in, "secret".toCharArray());
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, "secret".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        HttpsServer server = HttpsServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        server.createContext("/", Peer::answer);
        server.start();
        System.out.println("listening");
    }

    static void answer(HttpExchange exchange) throws java.io.IOException {
        byte[] sent = exchange.getRequestBody().readAllBytes();
        String path = exchange.getRequestURI().toString();
        byte[] body = sent.length > 0 ? sent : ("answer to " + path).getBytes(StandardCharsets.UTF_8);
        int at = path.indexOf("status=");
        exchange.getResponseHeaders().set("Content-Type", "text/plain");
        exchange.sendResponseHeaders(at < 0 ? 200 : Integer.parseInt(path.substring(at + 7)), body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    static void client(String url, String ca, int count, int pauseMs) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = new FileInputStream(ca)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        for (int i = 0; i < count; i++) {
            String path = "/" + i + "?status=" + new int[] {200, 404, 500}[i % 3];
            String sent = i % 4 == 3 ? "sent " + i : "";
            HttpsURLConnection c = (HttpsURLConnection) new URL(url + path).openConnection();
            c.setSSLSocketFactory(context.getSocketFactory());
            if (!sent.isEmpty()) {
                c.setDoOutput(true);
                c.getOutputStream().write(sent.getBytes(StandardCharsets.UTF_8));
            }
            int status = c.getResponseCode();
            try (InputStream in = status < 400 ? c.getInputStream() : c.getErrorStream()) {
                String received = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                System.out.println(String.join("\t", sent.isEmpty() ? "GET" : "POST", path, "" + status, sent, received));
            }
            Thread.sleep(pauseMs);
        }
    }

    public static void main(String[] a) throws Exception {
        if (a[0].equals("serve")) {
            serve(Integer.parseInt(a[1]), a[2]);
        } else {
            client(a[1], a[2], Integer.parseInt(a[3]), Integer.parseInt(a[4]));
        }
    }
}
