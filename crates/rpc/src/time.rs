use time::{Duration, OffsetDateTime};

/// The wire form of an instant.
pub fn timestamp(at: OffsetDateTime) -> pbjson_types::Timestamp {
    pbjson_types::Timestamp { seconds: at.unix_timestamp(), nanos: at.nanosecond().cast_signed() }
}

/// The instant of a wire form; `None` when it is none: out of the years -9999 to 9999, or with nanoseconds outside
/// of a second.
pub fn instant(ts: &pbjson_types::Timestamp) -> Option<OffsetDateTime> {
    if !(0..1_000_000_000).contains(&ts.nanos) {
        return None;
    }
    let whole = OffsetDateTime::from_unix_timestamp(ts.seconds).ok()?;
    whole.checked_add(Duration::nanoseconds(ts.nanos.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_its_wire_form() {
        for nanos in [0, 1, 1_700_000_000_123_456_789, -1] {
            let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
            assert_eq!(instant(&timestamp(at)), Some(at));
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            assert_eq!(instant(&pbjson_types::Timestamp { seconds, nanos }), None);
        }
    }
}
