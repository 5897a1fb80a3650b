//! The arguments of `lenet serve`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use lenet_picture::Preparation;

use super::preparation;

#[derive(Debug, Args)]
#[command(after_help = SIGNALS)]
pub struct Serve {
    /// A model.safetensors, or a run folder that holds one [default: the embedded network, which
    /// the recipe best trained on MNIST].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// How pictures become images [default: as in the network's training, ink if that is not known].
    #[arg(long, value_name = "HOW", value_parser = preparation())]
    pub pictures: Option<Preparation>,
    /// Where to listen: ADDRESS:PORT, or a port on this machine only. Port 0 picks a free one. With
    /// the address 0.0.0.0, anyone who can reach this machine can use the server.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub addr: SocketAddr,
    /// A name of this machine, besides localhost and its addresses; may be repeated. Requests for
    /// other names are refused.
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub host: Vec<String>,
    /// A page elsewhere that may use the API, by its origin, such as `https://example.org`; may be
    /// repeated. Browsers let no other page read the answers.
    #[arg(long, value_name = "URL", value_parser = origin)]
    pub allow_origin: Vec<String>,
}

const SIGNALS: &str = "\
SIGINT (Ctrl-C) and SIGTERM stop the server after it has answered all requests, at most five
seconds later; SIGHUP reloads the model, and keeps the old one if the new one is bad.";

fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost").unwrap_or(text);
    let port = port.strip_prefix(':').unwrap_or(port);
    if let Ok(port) = port.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        "must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
}

/// A name as in the Host header, without the port.
fn host(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err("must be a name such as digits.example.org, without a port".to_owned());
    }
    Ok(text.to_owned())
}

/// An origin as browsers write it: in lower case, without the port that the scheme implies.
fn origin(text: &str) -> Result<String, String> {
    let url = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let implied = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if scheme.is_empty() || rest.is_empty() || !rest.chars().all(is_plain) {
        return Err(
            "must be an origin such as https://example.org or http://localhost:3000, without a path"
                .to_owned(),
        );
    }
    let rest = rest.strip_suffix(implied).unwrap_or(rest);
    Ok(format!("{scheme}://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:81", "127.0.0.1:81"),
            (":82", "127.0.0.1:82"),
            ("83", "127.0.0.1:83"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        for text in ["", "localhost", "127.0.0.1", "example.org:80", "70000"] {
            assert!(address(text).is_err(), "{text}");
        }
        assert!(host("digits.example.org").is_ok());
        for text in ["", "a b", "a:80", "http://a", "ä"] {
            assert!(host(text).is_err(), "{text}");
        }
        for (text, expected) in [
            ("https://Example.org:443/", "https://example.org"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(origin(text).unwrap(), expected);
        }
        for text in ["", "*", "null", "example.org", "https://a/b", "https://"] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
