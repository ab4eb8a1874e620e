//! The client.

use std::time::Duration;

use serde_json::json;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::{Outcome, SERVICE};

type Client = Grpc<Channel>;

fn tell(method: &str, outcome: Result<(), Status>, sent: &[&str], received: &[String]) {
    let status = outcome.err().unwrap_or_else(|| Status::ok(""));
    let (code, message) = (status.code() as i32, status.message());
    println!("{}", json!({ "method": method, "status": code, "message": message, "sent": sent, "received": received }));
}

fn path(method: &str) -> Result<http::uri::PathAndQuery, http::uri::InvalidUri> {
    format!("{SERVICE}{method}").parse()
}

async fn unary(client: &mut Client, method: &str, word: &str, limit: Duration) -> Outcome {
    client.ready().await?;
    let mut request = Request::new(word.to_owned());
    request.set_timeout(limit);
    match client.unary(request, path(method)?, ProstCodec::<String, String>::default()).await {
        Ok(answer) => tell(method, Ok(()), &[word], &[answer.into_inner()]),
        Err(status) => tell(method, Err(status), &[word], &[]),
    }
    Ok(())
}

/// Sends the words, then reads until the end, or drops the call after so many answers.
async fn stream(client: &mut Client, method: &str, words: &'static [&str], cancel_after: usize) -> Outcome {
    client.ready().await?;
    let asked = tokio_stream::iter(words.iter().map(|word| (*word).to_owned()));
    let codec = ProstCodec::<String, String>::default();
    let mut answers = client.streaming(Request::new(asked), path(method)?, codec).await?.into_inner();
    let mut received = vec![];
    while let Some(answer) = answers.message().await? {
        received.push(answer);
        if received.len() == cancel_after {
            drop(answers);
            tell(method, Err(Status::cancelled("given up")), words, &received);
            return Ok(());
        }
    }
    tell(method, Ok(()), words, &received);
    Ok(())
}

/// Over TLS when it is given an authority's file.
pub async fn call(address: &str, ca: Option<&str>) -> Outcome {
    let endpoint = match ca {
        None => Endpoint::new(format!("http://{address}"))?,
        Some(ca) => {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(ca)?)).domain_name("localhost");
            Endpoint::new(format!("https://{address}"))?.tls_config(tls)?
        }
    };
    let mut client = Grpc::new(endpoint.connect().await?);
    let gzip = CompressionEncoding::Gzip;
    let mut packing = client.clone().send_compressed(gzip).accept_compressed(gzip);
    let long = Duration::from_secs(10);
    unary(&mut client, "Unary", "one", long).await?;
    unary(&mut packing, "Packed", &"words again and again, ".repeat(100), long).await?;
    unary(&mut client, "Fail", "no", long).await?;
    unary(&mut client, "Slow", "late", Duration::from_millis(200)).await?;
    stream(&mut client, "Many", &["3"], 0).await?;
    stream(&mut client, "Collect", &["a", "b", "c", "d"], 0).await?;
    stream(&mut client, "Chat", &["x", "y", "z"], 0).await?;
    stream(&mut client, "Forever", &["go"], 2).await?;
    unary(&mut client, "Missing", "who", long).await?;
    // the connection's task still has to tell the server what was dropped
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}
