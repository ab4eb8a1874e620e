//! A running earshot, asked over HTTP: where it is, and why it did not answer.

use std::time::Duration;

use clap::Args;
use ureq::RequestBuilder;
use ureq::typestate::{WithBody, WithoutBody};

use crate::exit::Failure;

/// How long the connection may take; the answer itself may take as long as the query.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct ServerArg {
    /// Where earshot runs
    #[arg(long, env = "EARSHOT_URL", default_value = "http://127.0.0.1:7117")]
    pub url: String,
    /// Token, when that earshot wants one
    #[arg(long, env = "EARSHOT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

pub type Answer = ureq::http::Response<ureq::Body>;

impl ServerArg {
    pub fn get(&self, path: &str) -> RequestBuilder<WithoutBody> {
        self.with_token(agent().get(self.at(path)))
    }

    pub fn post(&self, path: &str) -> RequestBuilder<WithBody> {
        self.with_token(agent().post(self.at(path)))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// The answer when it is one, else why not.
    pub fn checked(&self, sent: Result<Answer, ureq::Error>) -> Result<Answer, Failure> {
        let url = &self.url;
        let answer = sent.map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::Usage(anyhow::anyhow!("{url} is no URL: {error}")),
            error => Failure::NoServer(anyhow::anyhow!("no earshot answers at {url}: {error}; start one with 'earshot run'")),
        })?;
        let status = answer.status().as_u16();
        if status == 200 {
            return Ok(answer);
        }
        let text = answer.into_body().read_to_string().unwrap_or_default();
        let error = anyhow::anyhow!("{}", problem(&text).unwrap_or_else(|| format!("{url} answered with status {status}")));
        Err(if status == 401 { Failure::NotPermitted(error) } else { Failure::Failed(error) })
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_connect(Some(CONNECT_TIME_MAX)).http_status_as_error(false).build();
    ureq::Agent::new_with_config(config)
}

/// What a problem document says.
pub fn problem(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let detail = value.get("detail").or(value.get("title"))?.as_str()?;
    let number = |key: &str| value.get(key).and_then(serde_json::Value::as_u64);
    let place = match (number("line"), number("column")) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
        _ => String::new(),
    };
    let hint = value.get("hint").and_then(|h| h.as_str()).map(|h| format!("; {h}")).unwrap_or_default();
    Some(format!("{detail}{place}{hint}"))
}
