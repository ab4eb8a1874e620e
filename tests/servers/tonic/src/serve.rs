//! The service.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::{Grpc, NamedService};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use super::{Outcome, SERVICE};

type Answers = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "earshot.test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let method = request.uri().path().strip_prefix(SERVICE).unwrap_or_default().to_owned();
            let mut grpc = Grpc::new(ProstCodec::<String, String>::default()).accept_compressed(CompressionEncoding::Gzip);
            Ok(match method.as_str() {
                "Unary" | "Fail" | "Slow" => grpc.unary(service_fn(move |r| unary(method.clone(), r)), request).await,
                "Packed" => grpc.send_compressed(CompressionEncoding::Gzip).unary(service_fn(packed), request).await,
                "Many" | "Collect" | "Chat" | "Forever" => {
                    grpc.streaming(service_fn(move |r| streaming(method.clone(), r)), request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

async fn unary(method: String, request: Request<String>) -> Result<Response<String>, Status> {
    match method.as_str() {
        "Unary" => Ok(Response::new(request.into_inner())),
        "Fail" => Err(Status::failed_precondition("not today: 100 % grüße")),
        _ => std::future::pending().await,
    }
}

async fn packed(request: Request<String>) -> Result<Response<String>, Status> {
    Ok(Response::new(request.into_inner()))
}

async fn streaming(method: String, request: Request<Streaming<String>>) -> Result<Response<Answers>, Status> {
    let mut asked = request.into_inner();
    let answers: Answers = match method.as_str() {
        "Many" => {
            let n = asked.message().await?.unwrap_or_default();
            let n: usize = n.parse().map_err(|_| Status::invalid_argument("no number"))?;
            // the call ends after the client has said that it is done
            while asked.message().await?.is_some() {}
            Box::pin(tokio_stream::iter((0..n).map(|i| Ok(format!("answer {i}")))))
        }
        "Collect" => {
            let mut words = vec![];
            while let Some(word) = asked.message().await? {
                words.push(word);
            }
            Box::pin(tokio_stream::once(Ok(words.join("+"))))
        }
        "Chat" => Box::pin(asked.map(|word| word.map(|word| format!("you said {word}")))),
        _ => forever().await,
    };
    Ok(Response::new(answers))
}

/// Answers twice, then never again.
async fn forever() -> Answers {
    let (sender, receiver) = mpsc::channel(2);
    for word in ["first", "second"] {
        // the receiver is kept below
        let _ = sender.send(Ok(word.to_owned())).await;
    }
    tokio::spawn(async move { sender.closed().await });
    Box::pin(ReceiverStream::new(receiver))
}

/// Over TLS when it is given files: a certificate and its key.
pub async fn serve(address: &str, files: Option<(&str, &str)>) -> Outcome {
    let mut server = Server::builder();
    if let Some((cert, key)) = files {
        let identity = Identity::from_pem(std::fs::read(cert)?, std::fs::read(key)?);
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    Ok(server.add_service(Echo).serve(address.parse()?).await?)
}
