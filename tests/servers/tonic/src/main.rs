//! A gRPC service in clear and its client, for the tests: what the client did is a line of JSON a call.
//!
//!     tonic-echo serve ADDRESS
//!     tonic-echo call ADDRESS     each kind of call, an error, a deadline, a cancellation, compressed messages

mod call;
mod serve;

/// Where the methods are.
const SERVICE: &str = "/earshot.test.Echo/";

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => runtime.block_on(serve::serve(address)),
        ["call", address] => runtime.block_on(call::call(address)),
        _ => Err("tonic-echo serve|call ADDRESS".into()),
    }
}
