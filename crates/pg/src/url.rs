use std::str::FromStr;

use crate::{Error, Schema};

/// How the connection is protected. The names are libpq's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// No encryption: loopback, a Unix socket, or a network that encrypts by itself.
    Disable,
    /// Encrypted when the server can, without knowing who it is.
    Prefer,
    /// Always encrypted, without knowing who the server is; with a root certificate it must be signed by it.
    Require,
    /// Always encrypted, and the server proves its name.
    VerifyFull,
}

/// A connection URL taken apart: what tokio-postgres understands, and what concerns TLS.
#[derive(Clone, Debug)]
pub(crate) struct ParsedUrl {
    pub config: tokio_postgres::Config,
    pub tls: TlsMode,
    /// `sslrootcert`: a PEM file; without it the roots of the Mozilla programme are trusted.
    pub root_certificate: Option<String>,
}

/// tokio-postgres refuses `sslmode=verify-full` and `sslrootcert`, so these two are taken out before it reads the URL.
pub(crate) fn parse(url: &str) -> Result<ParsedUrl, Error> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut tls = TlsMode::Disable;
    let mut root_certificate = None;
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => tls = parse_tls_mode(mode)?,
            Some(("sslrootcert", _)) => {
                root_certificate =
                    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, path)| path.into_owned());
            }
            _ => kept.push(pair),
        }
    }
    let config =
        tokio_postgres::Config::from_str(&join(address, &kept.join("&"))).map_err(|error| Error::Url(chain(&error)))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(Error::Url("it names no host".to_owned()));
    }
    Ok(ParsedUrl { config, tls, root_certificate })
}

fn parse_tls_mode(mode: &str) -> Result<TlsMode, Error> {
    match mode {
        "disable" => Ok(TlsMode::Disable),
        "prefer" => Ok(TlsMode::Prefer),
        "require" => Ok(TlsMode::Require),
        "verify-full" => Ok(TlsMode::VerifyFull),
        _ => Err(Error::Url("sslmode must be disable, prefer, require or verify-full".to_owned())),
    }
}

/// The base URL with its user and password replaced by the login role of `schema`.
///
/// # Errors
/// When `base_url` is not a PostgreSQL URL or the password is empty.
pub fn role_url(base_url: &str, schema: &Schema, role_password: &str) -> Result<String, Error> {
    if role_password.is_empty() {
        return Err(Error::Url("the password of the login roles is empty".to_owned()));
    }
    let (scheme, rest) =
        base_url.split_once("://").ok_or_else(|| Error::Url("it must start with postgres://".to_owned()))?;
    if scheme != "postgres" && scheme != "postgresql" {
        return Err(Error::Url("it must start with postgres://".to_owned()));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let query: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("user=") && !pair.starts_with("password=")).collect();
    let address = format!("{scheme}://{}:{}@{hosts}/{path}", schema.role(), percent_encode(role_password));
    let url = join(&address, &query.join("&"));
    parse(&url)?;
    Ok(url)
}

fn join(address: &str, query: &str) -> String {
    if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") }
}

fn percent_encode(text: &str) -> String {
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    form.replace('+', "%20")
}

/// tokio-postgres says only "invalid connection string"; its source says what is wrong with it, never the password.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;

    fn schema() -> Schema {
        Schema { name: "auth", migrations: || unimplemented_migrations(), extensions: &[] }
    }

    fn unimplemented_migrations() -> diesel_migrations::EmbeddedMigrations {
        panic!("no test here runs migrations")
    }

    #[test]
    fn role_replaces_user_and_keeps_the_rest() {
        let url = role_url("postgres://boss:s%40fe@db1:5433,db2:5434/godwit?sslmode=require", &schema(), "p@ss /?#%+ü")
            .unwrap();
        let parsed = parse(&url).unwrap();
        assert_eq!(parsed.config.get_user(), Some("godwit_auth"));
        assert_eq!(parsed.config.get_password(), Some("p@ss /?#%+ü".as_bytes()));
        assert_eq!(parsed.config.get_dbname(), Some("godwit"));
        assert_eq!(parsed.config.get_hosts(), [Host::Tcp("db1".into()), Host::Tcp("db2".into())]);
        assert_eq!(parsed.config.get_ports(), [5433, 5434]);
        assert_eq!(parsed.tls, TlsMode::Require);
    }

    #[test]
    fn role_replaces_user_of_a_unix_socket() {
        let url =
            role_url("postgres:///godwit?host=/run/postgresql&user=boss&password=x", &schema(), "secret").unwrap();
        let parsed = parse(&url).unwrap();
        assert_eq!(parsed.config.get_user(), Some("godwit_auth"));
        assert_eq!(parsed.config.get_password(), Some(b"secret".as_slice()));
        assert_eq!(parsed.config.get_hosts(), [Host::Unix("/run/postgresql".into())]);
    }

    #[test]
    fn plain_is_the_default_and_a_root_certificate_is_kept() {
        assert_eq!(parse("postgres://db/godwit").unwrap().tls, TlsMode::Disable);
        let parsed = parse("postgres://db/godwit?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem").unwrap();
        assert_eq!(parsed.tls, TlsMode::VerifyFull);
        assert_eq!(parsed.root_certificate.as_deref(), Some("/etc/my ca.pem"));
    }

    #[test]
    fn wrong_urls_are_refused() {
        for url in [
            "mysql://db/godwit",
            "db/godwit",
            "postgres://db/godwit?sslmode=verify",
            "postgres:///godwit",
            "postgres://db:port/godwit",
        ] {
            assert!(matches!(role_url(url, &schema(), "secret"), Err(Error::Url(_))), "{url}");
        }
        assert!(matches!(role_url("postgres://db/godwit", &schema(), ""), Err(Error::Url(_))));
    }
}
