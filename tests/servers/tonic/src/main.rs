//! A gRPC service, in clear or over TLS, and its client, for the tests: what the client did is a line of JSON a call.
//!
//!     tonic-echo serve ADDRESS [CERT KEY]
//!     tonic-echo call ADDRESS [CA]     each kind of call, an error, a deadline, a cancellation, compressed messages

mod call;
mod serve;

/// Where the methods are.
const SERVICE: &str = "/earshot.test.Echo/";

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => runtime.block_on(serve::serve(address, None)),
        ["serve", address, cert, key] => runtime.block_on(serve::serve(address, Some((cert, key)))),
        ["call", address] => runtime.block_on(call::call(address, None)),
        ["call", address, ca] => runtime.block_on(call::call(address, Some(ca))),
        _ => Err("tonic-echo serve|call ADDRESS".into()),
    }
}
