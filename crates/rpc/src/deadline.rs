use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The instant by which an incoming call must be answered: what the client asked, at most `limit`.
pub(crate) fn of_incoming(headers: &HeaderMap, limit: Duration) -> Instant {
    let asked = headers.get(GRPC_TIMEOUT).and_then(|value| parse(value.to_str().ok()?));
    Instant::now() + asked.map_or(limit, |asked| asked.min(limit))
}

/// Sets the deadline of an outgoing call: what its maker set or `default`, and never later than the call it is made
/// for.
pub(crate) fn set_outgoing(headers: &mut HeaderMap, default: Duration, inherited: Option<Instant>) -> Instant {
    let now = Instant::now();
    let own = headers.get(GRPC_TIMEOUT).and_then(|value| parse(value.to_str().ok()?)).unwrap_or(default);
    let left = inherited.map_or(own, |deadline| own.min(deadline.saturating_duration_since(now)));
    if let Ok(value) = HeaderValue::from_str(&render(left)) {
        headers.insert(GRPC_TIMEOUT, value);
    }
    now + left
}

/// A timeout of the gRPC protocol: at most 8 digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// In milliseconds: 8 digits of them are 27 hours.
fn render(timeout: Duration) -> String {
    format!("{}m", timeout.as_millis().min(99_999_999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_protocol_is_understood() {
        for (text, expected) in [
            ("2H", Duration::from_secs(7_200)),
            ("3M", Duration::from_secs(180)),
            ("4S", Duration::from_secs(4)),
            ("5m", Duration::from_millis(5)),
            ("6u", Duration::from_micros(6)),
            ("7n", Duration::from_nanos(7)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["", "m", "123456789S", "-1S", "1X", "1é", "1.5S"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_call_made_for_another_ends_no_later_than_it() {
        let mut headers = HeaderMap::new();
        let outer = Instant::now() + Duration::from_millis(200);
        assert!(set_outgoing(&mut headers, Duration::from_secs(5), Some(outer)) <= outer);
        assert!(parse(headers.get(GRPC_TIMEOUT).unwrap().to_str().unwrap()).unwrap() <= Duration::from_millis(200));
    }

    #[test]
    fn a_client_may_shorten_the_deadline_but_not_lengthen_it() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("1H"));
        assert!(of_incoming(&headers, Duration::from_secs(10)) <= Instant::now() + Duration::from_secs(10));
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("10m"));
        assert!(of_incoming(&headers, Duration::from_secs(10)) <= Instant::now() + Duration::from_millis(10));
    }
}
