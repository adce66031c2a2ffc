//! All SQL of the crate: the stream's schema and the outbox of every service.

mod groups;
pub(crate) mod outbox;
mod retention;
mod stream;

pub(crate) use groups::{Lease, Member, commit_offset, leave, release, report};
pub(crate) use retention::delete_old;
pub(crate) use stream::{Position, StoredRecord, create_partitions, fetch, listen, notify, publish};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use godwit_pg::Schema;

use crate::{Error, Headers};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/events");

/// The schema `events` of the role `godwit_events`.
pub const SCHEMA: Schema = Schema { name: "events", migrations: || MIGRATIONS, extensions: &[] };

impl From<godwit_pg::Error> for Error {
    fn from(error: godwit_pg::Error) -> Self {
        match &error {
            godwit_pg::Error::Url(_) => Self::Configuration(error.into()),
            error_now if error_now.is_unavailable() || error_now.is_conflict() => Self::unavailable(error),
            _ => Self::Refused(error.into()),
        }
    }
}

/// Headers as an array of pairs: unlike an object it keeps their order.
fn headers_to_json(headers: &Headers) -> serde_json::Value {
    headers.iter().map(|(name, value)| serde_json::json!([name, value])).collect()
}

/// What is not a pair of texts was not written by [`headers_to_json`], and is left out.
fn headers_from_json(json: serde_json::Value) -> Headers {
    let serde_json::Value::Array(pairs) = json else {
        return Headers::new();
    };
    pairs.into_iter().filter_map(|pair| serde_json::from_value(pair).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_and_repetitions() {
        let headers: Headers = [("b", "1"), ("a", "2"), ("b", "3")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        assert_eq!(headers_from_json(headers_to_json(&headers)), headers);
        assert_eq!(headers_from_json(serde_json::json!({"a": "b"})), Headers::new());
    }
}
