//! HTTPS by hyper and rustls, for the tests.
//!
//!     rustls-peer serve PORT CERT KEY              HTTP/1.1, and HTTP/2 by ALPN
//!     rustls-peer client URL CA COUNT PAUSE_MS     HTTP/1.1, requests on one connection; what was asked and answered is a line
//!                                                  each: METHOD PATH STATUS SENT RECEIVED, separated by tabs
//!     rustls-peer client2 URL CA COUNT PAUSE_MS    the same by HTTP/2
//!     rustls-peer tunnel PORT CERT KEY TO          what arrives is passed in clear to the port TO, and back;
//!                                                  PostgreSQL's clients may ask for it

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
type Body = Full<Bytes>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let sent = request.into_body().collect().await?.to_bytes();
    let body = if sent.is_empty() { Bytes::from(format!("answer to {path}")) } else { sent };
    let status = path.split("status=").nth(1).and_then(|status| status.parse().ok()).unwrap_or(200_u16);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("text/plain"));
    Ok(response)
}

fn certificates(path: &str) -> Outcome<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?)
}

async fn serve(port: &str, cert: &str, key: &str, tunnel_to: Option<u16>) -> Outcome<Infallible> {
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates(cert)?, key)?;
    if tunnel_to.is_none() {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening");
    loop {
        let (mut socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // a client that gives up ends its own connection alone
            if tunnel_to.is_some() && agree(&mut socket).await.is_err() {
                return;
            }
            let Ok(mut stream) = acceptor.accept(socket).await else { return };
            if let Some(to) = tunnel_to {
                let Ok(mut plain) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
                return;
            }
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

/// How PostgreSQL's clients ask for TLS in a connection that begins in clear.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];

async fn agree(socket: &mut TcpStream) -> Outcome {
    let mut asked = [0; SSL_REQUEST.len()];
    socket.peek(&mut asked).await?;
    if asked == SSL_REQUEST {
        socket.read_exact(&mut asked).await?;
        socket.write_all(b"S").await?;
    }
    Ok(())
}

/// A connection of either version.
enum Sender {
    One(conn::http1::SendRequest<Body>),
    Two(conn::http2::SendRequest<Body>),
}

async fn connect(url: &Uri, ca: &str, http2: bool) -> Outcome<Sender> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(ca)?);
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    let (host, port) = (url.host().ok_or("no host")?.to_owned(), url.port_u16().ok_or("no port")?);
    let socket = TcpStream::connect((host.as_str(), port)).await?;
    let stream = TokioIo::new(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host)?, socket).await?);
    Ok(if http2 {
        let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        Sender::Two(sender)
    } else {
        let (sender, connection) = conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        Sender::One(sender)
    })
}

async fn client(url: &str, ca: &str, count: u32, pause_ms: u64, http2: bool) -> Outcome {
    let url: Uri = url.parse()?;
    let mut sender = connect(&url, ca, http2).await?;
    let authority = url.authority().ok_or("no authority")?.as_str();
    for i in 0..count {
        let (method, sent) = if i % 4 == 3 { ("POST", format!("sent {i}")) } else { ("GET", String::new()) };
        let path = format!("/{i}?status={}", [200, 404, 500][i as usize % 3]);
        let request = Request::builder().method(method).header("host", authority);
        let request = request.uri(if http2 { format!("https://{authority}{path}") } else { path.clone() });
        let request = request.body(Full::from(sent.clone()))?;
        let response = match &mut sender {
            Sender::One(sender) => sender.send_request(request).await?,
            Sender::Two(sender) => sender.send_request(request).await?,
        };
        let status = response.status().as_u16();
        let received = response.into_body().collect().await?.to_bytes();
        println!("{method}\t{path}\t{status}\t{sent}\t{}", String::from_utf8_lossy(&received));
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
    Ok(())
}

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", port, cert, key] => runtime.block_on(serve(port, cert, key, None)).map(|never| match never {}),
        ["tunnel", port, cert, key, to] => {
            runtime.block_on(serve(port, cert, key, Some(to.parse()?))).map(|never| match never {})
        }
        [client_of @ ("client" | "client2"), url, ca, count, pause_ms] => {
            runtime.block_on(client(url, ca, count.parse()?, pause_ms.parse()?, client_of == "client2"))
        }
        _ => Err("see the top of main.rs".into()),
    }
}
